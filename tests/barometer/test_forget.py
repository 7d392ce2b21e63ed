"""A person's posts leave every place where posts are kept, and do not come back."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from redis import Redis
from sqlalchemy import Engine, func, select

from barometer.authors import Authors
from barometer.back_pressure import Pressure
from barometer.broker import Broker
from barometer.brokers import open_broker
from barometer.collection import add, parts, read_rows
from barometer.database import engine_for, migrate, writing
from barometer.erasure import keep_away, posts_by, remove
from barometer.errors import InputError
from barometer.events import Event, track
from barometer.feed import newest_posts
from barometer.forgotten import REFUSAL, by_forgotten
from barometer.person import Person
from barometer.posts import Post
from barometer.settings import Settings
from barometer.store import store
from barometer.tables import HourlyRollupRow, PostEventRow, PostRow
from ingestion.intake import Intake, Reading
from ingestion.posted import publish_posted
from tests.command_line import barometer
from tests.conftest import judgement, post, posts_mentioning

KEY = "a key that nobody guesses"
JOY = "the ferry is all my joy"


class RefusedError(Exception):
    """The command ended with this error."""


@dataclass
class Place:
    """A Barometer with posts of Anna's, at two sources, and of Ben's."""

    settings: Settings
    engine: Engine
    broker: Broker
    authors: Authors

    def run(self, *words: str, **env: str) -> Any:
        """What the command prints as JSON."""
        given = {
            "BAROMETER_DATABASE_URL": self.settings.database_url,
            "BAROMETER_REDIS_URL": self.settings.redis_url,
            "BAROMETER_AUTHOR_KEY": KEY,
        }
        done = barometer(*words, "--json", state=self.settings.state, **given | env)
        if done.returncode:
            raise RefusedError(done.stderr)
        return json.loads(done.stdout)

    def kept(self) -> list[str]:
        with self.engine.connect() as connection:
            return list(
                connection.scalars(select(PostRow.external_id).order_by(PostRow.external_id))
            )


def of(author: str, number: object, text: str = JOY, **fields: object) -> Post:
    return post(number, text, author=author, **{"events": ("ferry",), **fields})


@pytest.fixture
def place(database_url: str, redis: Redis, redis_url: str, tmp_path: Path) -> Iterator[Place]:
    settings = Settings(
        state_dir=tmp_path / "state", database_url=database_url, redis_url=redis_url,
        author_key=KEY,
    )  # fmt: skip
    migrate(database_url)
    broker = open_broker(settings)
    yield Place(settings, engine_for(database_url), broker, Authors(settings))
    broker.close()


def fill(place: Place) -> None:
    """In the database plain and hashed; in the stream settled, held and unread; buried."""
    track(place.engine, Event(slug="ferry", title="Ferry", keywords=("ferry",)))
    hidden = place.authors.hidden(of("anna", 2, "another ferry of mine"))
    stored = [
        of("@Anna", 1), of("ben", "b1"), of("ben", "b2"), of("ben", "b3", "my own ferry"),
        of("anna", 4, "far away", source="x"), hidden,
    ]  # fmt: skip
    store(place.engine, [(each, judgement()) for each in stored])
    names = ("settled", "held", "buried", "buried too")
    place.broker.publish(
        [of(who, f"{who}-{n}", f"{n} {who}") for n in names for who in ("anna", "ben")]
    )
    held = {e.post.id: e for e in place.broker.receive("w", 50, block_ms=10) if e.post}
    place.broker.acknowledge([held["anna-settled"], held["ben-settled"]])
    for name in ("anna-buried", "ben-buried", "anna-buried too"):
        place.broker.bury(held[name], "refused")
    place.broker.publish([of("anna", "unread", "not read yet")])
    later = hidden.model_copy(update={"created_at": hidden.created_at + timedelta(days=1)})
    collected = [of("ANNA", 1), of("ben", 2, "mine"), of("anna", 4, source="x"), later]
    add(place.settings.state / "collected", collected)


def test_person_is_removed_everywhere_and_stays_away(place: Place, redis: Redis) -> None:
    fill(place)
    words = ("forget", "--author", "Anna", "--source", "test")
    counted = place.run(*words, "--dry-run")
    there = {"posts": 2, "collected_rows": 2, "stream_entries": 5, "dead_letters": 2, "notes": {}}
    assert counted == {"removed": False, **there}
    with pytest.raises(RefusedError, match="--yes"):
        place.run(*words)
    assert len(place.kept()) == 6
    assert place.run(*words, "--yes") == {"removed": True, **there, "links_to_events": 2}
    assert place.kept() == ["4", "b1", "b2", "b3"]
    _ben_takes_her_place(place)
    waiting = place.broker.backlog()
    left = json.dumps([redis.xrange("barometer:posts"), redis.xrange("barometer:posts:dead")])
    assert "anna" not in left
    assert "not read yet" not in left
    assert waiting == 2  # of Ben's four one is stored and one buried
    rows = read_rows(place.settings.state / "collected", ["author"])
    assert [(row["source"], row["author"]) for row in rows] == [("test", "ben"), ("x", "anna")]
    assert len(parts(place.settings.state / "collected")) == 2
    _stays_away(place)
    assert place.run(*words, "--undo") == {"let_in": True}
    assert len(store(place.engine, [(of("anna", 9), judgement())], place.authors).new_posts) == 1


def _ben_takes_her_place(place: Place) -> None:
    """His repost is shown where hers was; counts are as they were, words are gone."""
    assert {row.external_id for row in newest_posts(place.engine, 9)} == {"4", "b3", "b1"}
    with place.engine.connect() as connection:
        first, repost = connection.execute(
            select(PostRow.id, PostRow.repost_of)
            .where(PostRow.external_id.in_(("b1", "b2")))
            .order_by(PostRow.id)
        )
        links = connection.execute(select(PostEventRow.post_id, PostEventRow.repost_of)).all()
        counted = connection.scalar(
            select(func.sum(HourlyRollupRow.posts)).where(HourlyRollupRow.event_id == 0)
        )
    assert (first.repost_of, repost.repost_of) == (None, first.id)
    assert (first.id, None) in links
    assert (repost.id, first.id) in links
    assert counted == 6
    assert len(posts_mentioning(place.engine, "another ferry", 9)) == 0


def _stays_away(place: Place) -> None:
    """No door takes a further post, nor does the store, whoever had it in hand."""
    for plain in (of("@ANNA", 5), place.authors.hidden(of("anna", 6))):
        stored = store(place.engine, [(plain, judgement()), (of("ben", "b4"), judgement())],
                       place.authors)  # fmt: skip
        assert stored.forgotten == {plain.key}
    raw = {"source": "test", "id": "7", "text": "ferry", "created_at": "2026-03-14T12:00:00Z"}
    posted = publish_posted([raw | {"author": "anna"}], place.broker, place.engine)
    assert posted == (0, 0, [{"index": 0, "reason": REFUSAL}])

    async def found():  # noqa: ANN202 - an async generator
        yield of("u/anna", 8)
        yield of("ben", 8, "about a ferry", source="x")

    reading = Reading("test", "ferry")
    intake = Intake(place.broker, Pressure(place.broker, 1_000), place.engine)
    asyncio.run(intake.take(reading, found(), {}))
    assert (reading.accepted, reading.rejected) == (1, 1)


def test_forgotten_at_every_source_even_at_new_ones(engine: Engine, settings: Settings) -> None:
    authors = Authors(settings)
    person = Person(authors, "anna")
    store(engine, [(of("anna", 1, source="old"), judgement())], authors)
    keep_away(engine, person, ["rss"])
    assert posts_by(engine, person, lambda _: None) == [1]
    assert list(remove(engine, [1])) == [(1, 0)]
    hidden = authors.hidden(of("anna", 2, source="old"))
    assert store(engine, [(hidden, judgement())]).forgotten
    for source in ("old", "rss", "never seen"):
        assert store(engine, [(of("Anna", 3, source=source), judgement())], authors).forgotten
    assert not store(engine, [(of("anne", 4), judgement())], authors).forgotten


@pytest.mark.parametrize(
    ("source", "unknown", "known"),
    [
        ("mastodon", "@anna", "@Anna@mastodon.social"),
        ("bluesky", "anna.bsky.social", "did:plc:abc123"),
        ("bluesky", "@anna", "author:0123456789abcdef0123"),
    ],
)
def test_name_that_a_source_never_writes_is_refused(
    settings: Settings, source: str, unknown: str, known: str
) -> None:
    Person(Authors(settings), known, source)
    with pytest.raises(InputError, match=f"author: at {source} give"):
        Person(Authors(settings), unknown, source)


def test_who_looked_before_has_stored_before_the_search_begins(
    engine: Engine, settings: Settings
) -> None:
    person = Person(Authors(settings), "anna", "test")
    with ThreadPoolExecutor(1) as pool:
        with writing(engine).begin() as storing:
            assert not by_forgotten(storing, Authors(settings), [of("anna", 1)])
            asked = pool.submit(keep_away, engine, person, ())
            assert wait([asked], timeout=0.3).not_done
        asked.result(10)
    assert store(engine, [(of("anna", 1), judgement())], Authors(settings)).forgotten


def test_stream_that_is_away_is_said_after_the_rest_is_removed(tmp_path: Path) -> None:
    env = {"BAROMETER_REDIS_URL": "redis://127.0.0.1:9"}
    done = barometer("forget", "--author", "anna", "--yes", state=tmp_path, **env)
    assert done.returncode == 69
    assert "not looked at" in done.stdout
    assert "run the command again" in done.stderr


def test_plain_names_of_before_are_hidden_for_good(
    place: Place, redis: Redis, tmp_path: Path
) -> None:
    fill(place)
    with pytest.raises(RefusedError, match="is plain"):
        place.run("posts", "hide-authors", BAROMETER_AUTHOR_NAMES="plain")
    assert place.run("posts", "hide-authors") == {"posts": 5, "files_read": 3}
    assert place.run("posts", "hide-authors")["posts"] == 0
    file = tmp_path / "posts.parquet"
    assert place.run("posts", "export", "--parquet", str(file))["posts"] == 6
    kept = {row["id"]: row["author"] for row in pq.read_table(file).to_pylist()}
    assert kept["1"] == kept["2"] == place.authors.mark("test", "anna")
    assert kept["4"] == place.authors.mark("x", "anna") != kept["1"]
    assert kept["b1"] == kept["b3"] == place.authors.mark("test", "ben")
    assert b"ben" not in b"".join(f.read_bytes() for f in place.settings.state.rglob("*.parquet"))
    stream = redis.xrange("barometer:posts") + redis.xrange("barometer:posts:dead")
    authors = {orjson.loads(fields["post"])["author"] for _, fields in stream}
    assert authors == {kept["1"], kept["b1"]}
