"""What is gone at Reddit goes here too."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine, func, select

from barometer.broker import Broker
from barometer.brokers import open_broker
from barometer.errors import BrokerError, SettingsError, SourceError
from barometer.events import Event, track
from barometer.settings import Settings
from barometer.source_states import readings
from barometer.store import store
from barometer.tables import HourlyRollupRow, PostEventRow, PostRow
from ingestion.reddit.recheck import Checked, recheck, recheck_all
from tests.command_line import barometer
from tests.conftest import judgement, post, posts_mentioning
from tests.ingestion.api_faults import FAULTS
from tests.ingestion.reddit.server import (
    CLIENT_ID,
    CLIENT_SECRET,
    INFO,
    USERNAME,
    Reddit,
    access,
)


@pytest.fixture
def broker(redis: Redis, redis_url: str, tmp_path: Path) -> Iterator[Broker]:
    """An empty stream."""
    del redis  # it was emptied
    with closing(open_broker(Settings(state_dir=tmp_path, redis_url=redis_url))) as opened:
        yield opened


def keep(engine: Engine, *names: str, **fields: Any) -> None:
    """Store posts of these ids."""
    store(engine, [
        (post(name, **{"text": f"the harbour of {name}", "source": "reddit",
                       "author": "somebody", **fields}), judgement())
        for name in names
    ])  # fmt: skip


def kept(engine: Engine) -> dict[str, str | None]:
    """The ids of what is stored, with the authors."""
    chosen = select(PostRow.external_id, PostRow.author)
    with engine.connect() as connection:
        return {row.external_id: row.author for row in connection.execute(chosen)}


async def check(engine: Engine, broker: Broker) -> Checked:
    asking = access(engine, timeout_s=0.3)
    parts = [part async for part in recheck_all(asking, engine, broker, pause_s=0)]
    return sum(parts, Checked())


def in_stream(redis: Redis) -> list[str]:
    """The ids in the stream and among the dead letters, all that is still there."""
    entries = [*redis.xrange("barometer:posts"), *redis.xrange("barometer:posts:dead")]
    return [json.loads(fields["post"])["id"] for _, fields in entries]


async def test_what_is_gone_at_reddit_goes_with_its_words_and_links(
    reddit: Reddit, engine: Engine, broker: Broker
) -> None:
    track(engine, Event(slug="harbour", title="Harbour", keywords=("harbour",)))
    names = [reddit.submit(n, f"harbour {n}") for n in range(4)] + [reddit.comment(9, "harbour")]
    keep(engine, *names, "t3_never0", events=("harbour",))
    keep(engine, "t3_000001", "42", source="form")
    keep(engine, "no-fullname")
    reddit.delete(names[0])
    reddit.things[names[1]]["data"]["removed_by_category"] = "moderator"
    reddit.things[names[2]]["data"]["author"] = "[deleted]"
    reddit.delete(names[4])
    assert await check(engine, broker) == Checked(checked=6, deleted=4, nameless=1)
    assert kept(engine) == {
        "t3_000002": None, "t3_000003": "somebody", "no-fullname": "somebody",
        "t3_000001": "somebody", "42": "somebody",
    }  # fmt: skip
    mentioning = posts_mentioning(engine, "harbour", 100)
    assert len(mentioning) == 5
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(PostEventRow)) == 2
        assert connection.scalar(select(func.sum(HourlyRollupRow.posts))) == 9 + 6
    [asked] = reddit.server.asked(INFO)
    assert len(asked.query["id"][0].split(",")) == 6


async def test_a_check_that_breaks_off_is_continued_where_it_was(
    reddit: Reddit, engine: Engine, broker: Broker
) -> None:
    keep(engine, *(reddit.submit(n, f"harbour {n}") for n in range(250)))
    reddit.server.serve(INFO, reddit.info, FAULTS["429 with Retry-After"])
    with pytest.raises(SourceError):
        await check(engine, broker)
    assert len(reddit.server.asked(INFO)) == 2
    with pytest.raises(SourceError, match="left alone until"):
        await check(engine, broker)
    assert len(reddit.server.asked(INFO)) == 2  # it is left alone
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE source_states SET limited_until = NULL")
    reddit.server.serve(INFO, reddit.info)
    assert await check(engine, broker) == Checked(checked=250)
    asked = [request.query["id"][0].split(",") for request in reddit.server.asked(INFO)[2:]]
    assert [(names[0], len(names)) for names in asked] == [
        ("t3_000100", 100), ("t3_000200", 50), ("t3_000000", 100),
    ]  # fmt: skip
    [state] = readings(engine)
    assert (state.source, state.last_error) == ("reddit", None)


@pytest.mark.parametrize("fault", ["404", "503 with Retry-After", "no JSON", "other JSON"])
async def test_a_fault_deletes_nothing(
    reddit: Reddit, engine: Engine, broker: Broker, fault: str
) -> None:
    keep(engine, reddit.submit(1, "harbour"))
    reddit.server.serve(INFO, FAULTS[fault])
    with pytest.raises(SourceError, match=r"^reddit: "):
        await check(engine, broker)
    assert len(kept(engine)) == 1


async def test_an_answer_that_knows_none_of_many_is_not_believed(
    reddit: Reddit, engine: Engine, broker: Broker
) -> None:
    keep(engine, *(f"t3_{n:06d}" for n in range(30)))
    with pytest.raises(SourceError, match="none of 30 posts"):
        await check(engine, broker)
    assert len(kept(engine)) == 30


def test_it_needs_nothing_where_nothing_is_stored(engine: Engine, tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, database_url=str(engine.url))
    assert recheck(settings) == Checked()
    keep(engine, "t3_000001")
    with pytest.raises(SettingsError, match="BAROMETER_REDDIT_CLIENT_ID"):
        recheck(settings)


@pytest.mark.usefixtures("broker")
def test_the_command_tells_what_it_did(
    reddit: Reddit, engine: Engine, redis_url: str, tmp_path: Path
) -> None:
    keep(engine, reddit.submit(1, "harbour"), reddit.submit(2, "harbour two"))
    reddit.delete("t3_000001")
    env = {
        "BAROMETER_DATABASE_URL": str(engine.url), "BAROMETER_REDDIT_CLIENT_ID": CLIENT_ID,
        "BAROMETER_REDDIT_CLIENT_SECRET": CLIENT_SECRET, "BAROMETER_REDDIT_USERNAME": USERNAME,
        "BAROMETER_REDIS_URL": redis_url,
    }  # fmt: skip
    done = barometer("posts", "recheck", "--json", state=tmp_path, **env)
    told = {"checked": 2, "deleted": 1, "nameless": 0, "erased": 0}
    assert json.loads(done.stdout) == told, done.stderr
    assert list(kept(engine)) == ["t3_000002"]


def put(broker: Broker, *names: str, source: str = "reddit") -> None:
    """Put posts of these ids into the stream."""
    broker.publish([post(name, f"the harbour of {name}", source=source) for name in names])


async def test_what_is_gone_leaves_the_stream_and_the_dead_letters(
    reddit: Reddit, engine: Engine, broker: Broker, redis: Redis
) -> None:
    names = [reddit.submit(number, f"harbour {number}") for number in range(8)]
    keep(engine, *names[:2])
    put(broker, *names[:6])
    put(broker, names[0], source="form")
    taken = {e.post.key: e for e in broker.receive("w", 50, block_ms=10) if e.post}
    broker.acknowledge([taken["reddit", name] for name in names[:2]])
    for name in names[2:4]:
        broker.bury(taken["reddit", name], "refused")
    put(broker, *names[6:])
    for number in (0, 2, 4, 6):  # stored, buried, held and unread
        reddit.delete(names[number])
    assert await check(engine, broker) == Checked(checked=8, deleted=1, erased=5)  # 2 twice
    assert set(in_stream(redis)) == {names[0], *names[1::2]}  # a form's has the same id
    assert list(kept(engine)) == [names[1]]
    assert broker.backlog() == 3
    assert await check(engine, broker) == Checked(checked=4)


async def test_a_stream_that_was_away_is_cleared_by_the_next_check(
    reddit: Reddit, engine: Engine, broker: Broker, redis: Redis, tmp_path: Path
) -> None:
    names = [reddit.submit(number, f"harbour {number}") for number in range(2)]
    keep(engine, *names)
    put(broker, *names)
    broker.acknowledge(broker.receive("w", 50, block_ms=10))
    reddit.delete(names[0])
    nobody = Settings(state_dir=tmp_path, redis_url="redis://127.0.0.1:9")
    with closing(open_broker(nobody)) as away, pytest.raises(BrokerError):
        await check(engine, away)
    assert list(kept(engine)) == [names[1]]
    assert await check(engine, broker) == Checked(checked=1, erased=1)
    assert in_stream(redis) == [names[1]]


async def test_a_fault_in_the_middle_keeps_nothing_that_was_found_gone(
    reddit: Reddit, engine: Engine, broker: Broker, redis: Redis
) -> None:
    names = [reddit.submit(number, f"harbour {number}") for number in range(120)]
    keep(engine, *names)
    put(broker, names[0])
    broker.acknowledge(broker.receive("w", 50, block_ms=10))
    reddit.delete(names[0])
    reddit.server.serve(INFO, reddit.info, FAULTS["403"])
    with pytest.raises(SourceError, match="403"):
        await check(engine, broker)
    assert in_stream(redis) == []
    assert len(kept(engine)) == 119
    [state] = readings(engine)
    assert "403" in (state.last_error or "")
