"""Following live sources: each on its own, none lost, none twice, and an end that is clean."""

import asyncio
import contextlib
import shutil
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from barometer.back_pressure import Pressure
from barometer.broker import Broker
from barometer.database import engine_for, migrate
from barometer.errors import BrokerError, SourceError
from barometer.events import Event, track, untrack
from barometer.posts import Post
from barometer.source_states import position_of, readings
from ingestion.following import Pace, follow_all
from ingestion.intake import Intake
from ingestion.source import Events, Position
from tests.brokers import Stream
from tests.conftest import post

LOOK_S = 0.1
PACE = Pace(shortest_wait_s=0.02, longest_wait_s=0.2, steady_s=0.3, stopping_s=1.0)
pytestmark = pytest.mark.parametrize("stream", ["Redis"], indirect=True)
Step = Post | Exception | float | str


class Script:
    """Yields posts, raises faults, rests (a number of seconds), or moves its position on (a word).

    Goes on after the last post of its position, and stands still at its end.
    """

    def __init__(self, name: str, *steps: Step) -> None:
        self.name, self.steps = name, list(steps)
        self.calls: list[float] = []
        self.running = 0
        self.events: Events = tuple

    async def follow(self, events: Events, position: Position) -> AsyncGenerator[Post, None]:
        self.calls.append(time.monotonic())
        self.events = events
        self.running += 1
        try:
            for index in range(position.get("next", 0), len(self.steps)):
                step = self.steps[index]
                if isinstance(step, Exception):
                    self.steps[index] = 0.0
                    raise step
                if isinstance(step, Post):
                    yield step
                elif isinstance(step, float):
                    await asyncio.sleep(step)
                position["next"] = index + 1
            await asyncio.sleep(60)
        finally:
            self.running -= 1


def event(slug: str, *sources: str) -> Event:
    return Event(slug=slug, title=slug, keywords=(slug,), sources=sources)


def found(number: int, text: str = "a vote") -> Post:
    return post(number, f"{text} {number}")


@asynccontextmanager
async def following(
    broker: Broker, engine: Engine, *sources: Script, pace: Pace = PACE, most: int = 1_000
) -> AsyncIterator[asyncio.Event]:
    """Follow within the block; leave it by a clean stop."""
    stop = asyncio.Event()
    intake = Intake(broker, Pressure(broker, most), engine, look_every_s=LOOK_S)
    named = {source.name: source for source in sources}
    task = asyncio.create_task(follow_all(named, intake, stop, pace))
    try:
        yield stop
    finally:
        stop.set()
        await task


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database: what the databases differ in is no matter here."""
    path = tmp_path_factory.mktemp("migrated") / "empty.db"
    migrate(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all of it is in the one file
    return path


@pytest.fixture
def engine(migrated: Path, tmp_path: Path) -> Engine:
    return engine_for(f"sqlite:///{shutil.copy(migrated, tmp_path / 'test.db')}")


async def soon(check: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110  what is looked at raises no event
            await asyncio.sleep(0.02)


async def test_a_source_that_fails_holds_no_other_up_and_goes_on(
    broker: Broker, engine: Engine
) -> None:
    track(engine, event("vote", "good", "bad", "buggy"))
    bad = Script("bad", found(1), SourceError("bad: is away"), found(2), SourceError("x"), found(3))
    buggy = Script("buggy", found(4), KeyError("a bug"), found(5))
    good = Script("good", *(found(n) for n in range(6, 160)))
    with capture_logs() as logs:
        async with following(broker, engine, bad, buggy, good):
            await soon(lambda: broker.backlog() == 159)
    assert [len(s.calls) for s in (bad, buggy, good)] == [3, 2, 1]
    assert [line["reason"] for line in logs if "reason" in line] == ["bad: is away", "x"]
    [bug] = [line for line in logs if line["event"] == "following failed"]
    assert (bug["source"], bug["log_level"]) == ("buggy", "error")


async def test_waits_longer_after_each_fault_until_it_goes_well(
    broker: Broker, engine: Engine
) -> None:
    track(engine, event("vote", "bad"))
    faults: list[Step] = [SourceError(str(n)) for n in range(6)]
    bad = Script("bad", *faults, 0.5, SourceError("late"))
    async with following(broker, engine, bad):
        await soon(lambda: len(bad.calls) == 8)
    waits = [b - a for a, b in zip(bad.calls, bad.calls[1:], strict=False)]
    assert 0.01 <= waits[0] < 0.1
    assert all(
        low <= wait for low, wait in zip((0.02, 0.04, 0.08, 0.1, 0.1), waits[1:], strict=False)
    )
    assert waits[6] - 0.5 < 0.1, "it had gone well"


async def test_a_source_is_left_alone_until_it_said_even_by_another_process(
    broker: Broker, engine: Engine
) -> None:
    track(engine, event("vote", "limited"))
    until = datetime.now(UTC) + timedelta(seconds=0.8)
    limited = Script("limited", found(1), SourceError("limited: enough", until=until), found(2))
    async with following(broker, engine, limited):
        await soon(lambda: readings(engine) and readings(engine)[0].last_error)
    assert len(limited.calls) == 1
    async with following(broker, engine, limited):
        await soon(lambda: len(limited.calls) == 2)
        assert datetime.now(UTC) >= until
        await soon(lambda: broker.backlog() == 2)
    assert readings(engine)[0].limited_until is None


async def test_the_position_is_saved_while_nothing_matches(broker: Broker, engine: Engine) -> None:
    track(engine, event("vote", "quiet"))
    quiet = Script("quiet", "passed over", "passed over", found(1, "about nothing"), "passed over")
    async with following(broker, engine, quiet):
        await soon(lambda: position_of(engine, "quiet", "").get("next") == 4)
    assert broker.backlog() == 0
    assert readings(engine)[0].last_ok_at


async def test_the_end_publishes_what_came_and_saves_where_it_was(
    broker: Broker, engine: Engine
) -> None:
    track(engine, event("vote", "live"))
    live = Script("live", *(found(n) for n in range(7)))
    async with following(broker, engine, live):
        await soon(lambda: live.running)
        await asyncio.sleep(0.05)
    assert broker.backlog() == 7
    assert position_of(engine, "live", "") == {"next": 7}
    assert live.running == 0


async def test_an_end_under_back_pressure_loses_nothing(broker: Broker, engine: Engine) -> None:
    track(engine, event("vote", "live"))
    broker.publish([post(n, "waits") for n in range(900, 905)])
    live = Script("live", *(found(n) for n in range(70)))
    hurry = Pace(stopping_s=0.1)
    async with following(broker, engine, live, pace=hurry, most=4):
        await soon(lambda: live.running)
        await asyncio.sleep(0.3)
    assert broker.backlog() == 5
    assert position_of(engine, "live", "") == {}
    async with following(broker, engine, live):
        await soon(lambda: broker.backlog() == 75)


async def test_connects_when_an_event_asks_and_leaves_when_none_does(
    broker: Broker, engine: Engine
) -> None:
    track(engine, event("other", "rss"))
    live = Script("live", found(1))
    async with following(broker, engine, live):
        await asyncio.sleep(3 * LOOK_S)
        assert live.calls == []
        track(engine, event("vote", "live"))
        await soon(lambda: live.running)
        track(engine, event("more", "live"))
        await soon(lambda: [e.slug for e in live.events()] == ["vote", "more"])
        untrack(engine, "more")
        await soon(lambda: [e.slug for e in live.events()] == ["vote"])
        assert len(live.calls) == 1
        untrack(engine, "vote")
        await soon(lambda: not live.running)
        await asyncio.sleep(3 * LOOK_S)
        assert len(live.calls) == 1
    assert readings(engine)[0].last_error is None


async def test_a_stream_that_stays_away_ends_all_with_its_own_error(
    stream: Stream, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    track(engine, event("vote", "live", "idle"))
    monkeypatch.setattr("ingestion.intake.BROKER_WAIT_S", 0.1)
    away = stream.open(broker_url="redis://127.0.0.1:1")
    live, idle = Script("live", found(1)), Script("idle", "moved")
    with pytest.raises(BrokerError):
        async with following(away, engine, live, idle):
            await soon(lambda: idle.calls and not live.running and not idle.running)
    assert position_of(engine, "live", "") == {}
    assert position_of(engine, "idle", "") == {"next": 1}, "the other ended well"
