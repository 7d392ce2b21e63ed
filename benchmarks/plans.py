"""How the databases find what the dashboard asks for: the plan of every read, and its time.

    python -m benchmarks.plans --posts 1000000
    python -m benchmarks.plans --posts 1000000 --postgres postgresql://me@127.0.0.1/scratch

Fills an empty database (a scratch SQLite file, or the PostgreSQL database that is named) through
`barometer.store`, then calls the very functions that the routes call, and lets the database explain
each statement that they sent. A plan that reads a large table from end to end is called a scan.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Engine, event, text

from barometer import overview
from barometer.comparison import groups_of
from barometer.console import print_line, print_table, progress
from barometer.database import engine_for, migrate
from barometer.events import Event, event_row, track
from barometer.feed import events_of_posts, newest_posts, reposts_of
from barometer.languages import languages_asked
from barometer.rollups import EVERY_POST
from barometer.search import link_stored, mentioning_in
from barometer.store import store
from barometer.trends import totals, trend
from benchmarks.synthetic import END, EVENTS, FREQUENT, RARE, judged_posts, track_events

LARGE: Final = ("posts", "post_events", "post_words", "rollups", "hourly_rollups")
BATCH = 5_000
ROUNDS = 3
MOST_READ = 0.5
"""The share of a large table from which an index that is walked without a bound is a scan."""
Read = Callable[[], object]
Statement = tuple[str, Any]
"""SQL as the driver gets it, and its parameters."""


@dataclass(frozen=True)
class Verdict:
    """How a database answers one question."""

    question: str
    milliseconds: float
    """The best of some rounds, so with what it reads in memory."""
    paths: tuple[str, ...]
    """By which index it comes to the rows of each large table."""
    scans: tuple[str, ...]
    """The large tables that it reads from end to end."""


def main() -> None:
    """Fill a database, and print a table of plans."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__)  # fmt: skip
    parser.add_argument("--posts", type=int, default=1_000_000)
    parser.add_argument("--postgres", default="", help="URL of an empty PostgreSQL database")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="barometer-plans-") as scratch:
        engine = engine_for(chosen.postgres or f"sqlite:///{scratch}/plans.db")
        seconds = fill(engine, chosen.posts)
        print_line(f"{chosen.posts:,} posts stored in {seconds:.0f} s: "
                   f"{chosen.posts / seconds:,.0f} a second", to_people=True)  # fmt: skip
        found = verdicts(engine)
    rows = [(v.question, v.milliseconds, ", ".join(v.paths), ", ".join(v.scans)) for v in found]
    print_table(
        f"{engine.dialect.name}, {chosen.posts:,} posts", ("question", "ms", "by", "scans"), rows
    )


def fill(engine: Engine, count: int) -> float:
    """Store so many synthetic posts; returns the seconds that it took."""
    migrate(engine.url.render_as_string(hide_password=False))
    track_events(engine)
    posts = judged_posts(count)
    began = time.perf_counter()
    with progress("Storing") as (bar, task):
        bar.update(task, total=count)
        while batch := list(islice(posts, BATCH)):
            store(engine, batch)
            bar.advance(task, len(batch))
    seconds = time.perf_counter() - began
    if engine.dialect.name == "postgresql":  # as its autovacuum does; nobody does it for SQLite
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
    return seconds


def verdicts(engine: Engine) -> list[Verdict]:
    """What becomes of each question that the dashboard and the API ask."""
    return [_verdict(engine, name, read) for name, read in questions(engine).items()]


def questions(engine: Engine) -> dict[str, Read]:
    """The reads behind the routes, by what they answer."""
    row = event_row(engine, EVENTS[0].replace(" ", "-"))
    later = Event(slug="later", title="Later", keywords=(RARE,))
    track(engine, later)
    page = newest_posts(engine, 50)
    ids = [post.id for post in page]
    middle = (END - timedelta(days=15), 0)
    day, fortnight = timedelta(days=1), timedelta(days=14)
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    read = languages_asked(None, ["en"])
    both = {"all": EVERY_POST, row.slug: row.id}
    return {
        "feed": lambda: newest_posts(engine, 50),
        "feed, a page in the middle": lambda: newest_posts(engine, 50, before=middle),
        "feed of an emotion": lambda: newest_posts(engine, 50, emotion="fear"),
        "feed of an emotion that nobody has": lambda: newest_posts(engine, 50, emotion="none"),
        "feed of an event": lambda: newest_posts(engine, 50, event_id=row.id),
        "feed of an event, a page in the middle": lambda: newest_posts(
            engine, 50, event_id=row.id, before=middle
        ),
        "feed of an event and emotion": lambda: newest_posts(
            engine, 50, event_id=row.id, emotion="fear"
        ),
        "events of a page": lambda: events_of_posts(engine, ids),
        "reposts of a page": lambda: reposts_of(engine, ids),
        "reposts of an event's page": lambda: reposts_of(engine, ids, row.id),
        "trend of an event, a day": lambda: trend(
            engine, row.id, END - day, END, 20 * minute, read
        ),
        "trend of every post, a day": lambda: trend(
            engine, EVERY_POST, END - day, END, 20 * minute, read
        ),
        "trend of every post, 14 days": lambda: trend(
            engine, EVERY_POST, END - fortnight, END, hour
        ),
        "posts of a day": lambda: totals(engine, [row.id], END - day, END),
        "compare events, a day": lambda: groups_of(engine, both, "event", END - day, END, read),
        "compare by language, a day": lambda: groups_of(engine, both, "language", END - day, END),
        "compare by place, a day": lambda: groups_of(
            engine, both, "location", END - day, END, read
        ),
        "analytics by hour, 14 days": lambda: overview.by_hour(
            engine, END - fortnight, 14 * 24, read
        ),
        "analytics by source, a day": lambda: overview.by_source(engine, END - day, END, read),
        "analytics by language, a day": lambda: overview.by_language(engine, END - day, END),
        "analytics, other languages": lambda: overview.other_languages(
            engine, END - day, END, read
        ),
        "analytics by event, a day": lambda: overview.by_event(engine, END - day, END, read),
        "analytics by label, a day": lambda: overview.by_label(engine, END - day, END, read),
        "analytics, keywords": lambda: overview.busiest_keywords(engine, END - day, END, read),
        "posts with a frequent word": lambda: mentioning_in(engine, FREQUENT, 250, read),
        "posts with a rare word": lambda: mentioning_in(engine, RARE, 250, read),
        "posts with two words": lambda: mentioning_in(engine, EVENTS[1], 250, read),
        "posts with a word that nobody used": lambda: mentioning_in(engine, "qwxz", 250, read),
        "link stored posts to an event": lambda: link_stored(
            engine, event_row(engine, "later").id, later.keywords
        ),
        "view of emotion shares, a week": lambda: _view(
            engine, f"bi_emotion_share WHERE event = '{row.slug}' AND hour >= :since"
        ),
        "view of keywords, a week": lambda: _view(
            engine, f"bi_keywords_by_day WHERE event = '{row.slug}' AND day >= :since"
        ),
    }


def _view(engine: Engine, what: str) -> int:
    with engine.connect() as connection:
        since = (END - timedelta(days=7)).isoformat(sep=" ")[:19]
        return len(connection.execute(text(f"SELECT * FROM {what}"), {"since": since}).all())  # noqa: S608


def _verdict(engine: Engine, question: str, read: Read) -> Verdict:
    paths, scans = explain(engine, read)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        read()
        times.append(time.perf_counter() - began)
    return Verdict(question, 1000 * min(times), paths, scans)


def explain(engine: Engine, read: Read) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """By which indexes a read comes to its rows, and which large tables it scans."""
    with _sent(engine) as statements:
        read()
    explained = _explain_postgresql if engine.dialect.name == "postgresql" else _explain_sqlite
    found: dict[str, bool] = {}
    with engine.connect() as connection:
        for statement in statements:
            for path, whole in explained(connection, statement):
                found[path] = found.get(path, False) or whole
    return tuple(found), tuple(path for path, whole in found.items() if whole)


@contextmanager
def _sent(engine: Engine) -> Iterator[list[Statement]]:
    """Collects the reading statements that are sent meanwhile."""
    statements: list[Statement] = []

    def note(_connection: Any, _cursor: Any, sql: str, parameters: Any, *_: Any) -> None:
        if sql.lstrip().startswith("SELECT"):
            statements.append((sql, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def _explain_sqlite(connection: Connection, statement: Statement) -> Iterator[tuple[str, bool]]:
    """Each large table's path, and whether it is read from end to end."""
    sql, parameters = statement
    lines = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters).all()
    details = [line.detail for line in lines]
    ends_early = "LIMIT" in sql and not any("FOR ORDER BY" in detail for detail in details)
    for detail in details:
        found = re.match(r"(SCAN|SEARCH) (\w+)", detail)
        if found and found[2] in LARGE:
            by = re.search(r"(?:(?<!AUTOMATIC )(?<!AUTOMATIC COVERING )INDEX|PRIMARY) \S+", detail)
            bounded = found[1] == "SEARCH" or (by and (ends_early or ":M" in detail))
            yield f"{found[2]} by {by[0].removeprefix('INDEX ') if by else 'nothing'}", not bounded


def _explain_postgresql(connection: Connection, statement: Statement) -> Iterator[tuple[str, bool]]:
    sql, parameters = statement
    explained = connection.exec_driver_sql(
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", parameters
    )
    sizes = dict(
        connection.exec_driver_sql("SELECT relname, reltuples FROM pg_class").tuples().all()
    )
    for node in _nodes(explained.scalar_one()[0]["Plan"]):
        table = node.get("Relation Name")
        if table not in LARGE or node["Node Type"] == "Bitmap Index Scan":
            continue
        read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        unbound = node["Node Type"].startswith("Index") and "Index Cond" not in node
        whole = node["Node Type"] == "Seq Scan" or (
            unbound and read > MOST_READ * max(sizes[table], 1)
        )
        by = node.get("Index Name") or _bitmap_index(node) or node["Node Type"]
        yield f"{table} by {by}", whole


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _bitmap_index(node: dict[str, Any]) -> str:
    names: Sequence[str] = [n["Index Name"] for n in _nodes(node) if "Index Name" in n]
    return " and ".join(names)


if __name__ == "__main__":
    main()
