"""Find stored posts by a keyword: an index of words narrows them down, a pattern decides."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Engine, Select, cast, column, literal, select, table
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import Session

from barometer.database import writing
from barometer.feed import older
from barometer.languages import UNKNOWN, Languages
from barometer.links import link
from barometer.posts import Key
from barometer.tables import PostRow
from barometer.text import mentions
from barometer.words import words

CHUNK: Final = 1_000
"""Posts that are linked in one transaction."""
FEWEST: Final = 200
"""Posts that are read at a time at least: words may be in a text, and not beside each other."""
MOST_OTHERS: Final = 5_000
"""Posts in languages that are not counted, after which no older ones are looked through."""
INDEX: Final = table("post_words", column("rowid", BigInteger), column("post_words"))
"""SQLite's full-text index. A row's number is the post's second and id, so that it is in order of
time: the newest posts with a word are read first, however many have it."""
ID_BITS: Final = 31


def mentioning_in(
    engine: Engine, keyword: str, limit: int, languages: Languages
) -> tuple[list[PostRow], dict[Key, str]]:
    """The newest posts that contain `keyword` as whole words, newest first, reposts included.

    Returns:
        Those in `languages`; fewer than `limit` where more than `MOST_OTHERS` in other languages
        are newer. And the languages of those others that were met on the way.
    """
    pattern = mentions(keyword)
    found: list[PostRow] = []
    others: dict[Key, str] = {}
    for page in _newest_with(engine, words(keyword), max(limit, FEWEST)):
        for row in page:
            if not pattern.search(row.text):
                continue
            if languages.have(row.language):
                found.append(row)
            elif len(found) < limit:
                others[row.source, row.external_id] = row.language or UNKNOWN
        if len(found) >= limit or len(others) > MOST_OTHERS:
            break
    newest = sorted(found, key=lambda row: (row.created_at, row.id), reverse=True)[:limit]
    return newest, others


def link_stored(engine: Engine, event_id: int, keywords: tuple[str, ...]) -> int:
    """Link the stored posts that mention a keyword to a new event; returns how many."""
    found: set[int] = set()
    for keyword in keywords:
        pattern = mentions(keyword)
        with engine.connect().execution_options(yield_per=CHUNK) as connection:
            statement = _with(connection, words(keyword), PostRow.id, PostRow.text)
            found |= {row.id for row in connection.execute(statement) if pattern.search(row.text)}
    # The first post of a text has a lower id than its reposts, and is linked before them.
    ids = sorted(found)
    linked = 0
    for start in range(0, len(ids), CHUNK):
        with writing(engine).begin() as connection:
            linked += link(connection, event_id, ids[start : start + CHUNK])
    return linked


def _newest_with(engine: Engine, wanted: list[str], size: int) -> Iterator[list[PostRow]]:
    """Pages of posts that have all of these words, the newest page first."""
    last: Any = None
    while wanted:
        with Session(engine) as session:
            connection = session.connection()
            if connection.dialect.name == "postgresql":
                place = (PostRow.created_at, PostRow.id)
                statement = _with(connection, wanted, PostRow)
                if last is not None:
                    statement = statement.where(older(place, (last[0].created_at, last[0].id)))
                statement = statement.order_by(place[0].desc(), place[1].desc())
            else:
                statement = _with(connection, wanted, PostRow, INDEX.c.rowid)
                if last is not None:
                    statement = statement.where(INDEX.c.rowid < last[1])
                statement = statement.order_by(INDEX.c.rowid.desc())
            rows = session.execute(statement.limit(size)).all()
        yield [row[0] for row in rows]
        if len(rows) < size:
            return
        last = rows[-1]


def _with(connection: Connection, wanted: list[str], *selected: Any) -> Select[Any]:
    """Posts that have all of these words, by the database's index of them."""
    if connection.dialect.name == "postgresql":
        query = " & ".join(f"'{word}'" for word in wanted)
        return select(*selected).where(PostRow.words.op("@@")(cast(literal(query), TSQUERY)))
    query = " AND ".join(f'"{word}"' for word in wanted)
    number = INDEX.c.rowid.bitwise_and((1 << ID_BITS) - 1)
    return (
        select(*selected)
        .select_from(INDEX.join(PostRow, PostRow.id == number))
        .where(INDEX.c.post_words.op("MATCH")(literal(query)))
    )
