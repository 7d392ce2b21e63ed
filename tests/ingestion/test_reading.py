import asyncio
from collections.abc import AsyncGenerator

import pytest
from redis import Redis
from sqlalchemy import Engine

from barometer.back_pressure import Pressure
from barometer.broker import Broker
from barometer.database import database_url, engine_for
from barometer.errors import OverloadedError, SourceError
from barometer.events import Event, track
from barometer.posts import Post
from barometer.settings import Settings
from barometer.source_states import position_of, readings
from ingestion.command import read_planned
from ingestion.intake import Intake, Reading
from ingestion.plan import plan_readings
from ingestion.posted import publish_posted
from ingestion.reading import read_source
from ingestion.source import Position, Source
from tests.conftest import post
from tests.ingestion.feed_bodies import item, rss
from tests.ingestion.feed_server import FeedServer, feed

EVENT = Event(slug="vote", title="Vote", keywords=("vote",), sources=("list",))


class ListSource:
    """Posts from a list, with pauses and a fault where one is asked for."""

    name = "list"

    def __init__(self, posts: list[Post], *, pause_s: float = 0, fault_after: int = -1) -> None:
        self.posts, self.pause_s, self.fault_after = posts, pause_s, fault_after

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        for index in range(position.get("next", 0), len(self.posts)):
            if index == self.fault_after:
                raise SourceError("the list is torn")
            await asyncio.sleep(self.pause_s)
            yield self.posts[index]
            position["next"] = index + 1


async def read(
    source: Source, broker: Broker, engine: Engine, within_s: float | None = None
) -> Reading:
    intake = Intake(broker, Pressure(broker, 1_000), engine)
    return await read_source(source, EVENT, intake, within_s)


def stream_posts(broker: Broker) -> list[Post]:
    return [e.post for e in broker.receive("t", 1000, block_ms=10) if e.post is not None]


def test_reads_into_the_stream_with_events_and_saves_its_position(
    broker: Broker, engine: Engine
) -> None:
    track(engine, EVENT)
    track(engine, Event(slug="city", title="City", keywords=("city",)))
    posts = [post(1, "the city waits"), post(2, "so happy"), post(2, "so happy"), post(3, "x\x00y")]
    reading = asyncio.run(read(ListSource(posts), broker, engine))
    assert (reading.accepted, reading.duplicates, reading.rejected) == (2, 1, 1)
    assert [p.events for p in stream_posts(broker)] == [("vote", "city"), ("vote",)]
    assert position_of(engine, "list", "vote") == {"next": 4}
    again = asyncio.run(read(ListSource(posts), broker, engine))
    assert (again.accepted, again.duplicates) == (0, 0)


def test_what_came_before_a_fault_is_kept_and_the_fault_is_said(
    broker: Broker, engine: Engine
) -> None:
    source = ListSource([post(n, f"text {n}") for n in range(5)], fault_after=3)
    reading = asyncio.run(read(source, broker, engine))
    assert reading.accepted == 3
    assert reading.error == "the list is torn"
    assert len(stream_posts(broker)) == 3
    assert position_of(engine, "list", "vote") == {"next": 3}
    assert readings(engine)[0].last_error == "the list is torn"


def test_slow_source_is_published_before_its_chunk_is_full(broker: Broker, engine: Engine) -> None:
    async def first_within(seconds: float) -> int:
        source = ListSource([post(1, "first"), post(2, "second")], pause_s=0.8)
        task = asyncio.create_task(read(source, broker, engine))
        await asyncio.sleep(seconds)
        seen = broker.backlog()
        await task
        return seen

    assert asyncio.run(first_within(1.35)) == 1


SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@SQLITE
def test_reading_whose_time_is_up_is_read_on_from_there(broker: Broker, engine: Engine) -> None:
    posts = [post(n, f"text {n}") for n in range(8)]
    first = asyncio.run(read(ListSource(posts, pause_s=0.1), broker, engine, within_s=0.45))
    assert (first.unfinished, first.error) == (True, None)
    assert 1 <= first.accepted < 8
    assert position_of(engine, "list", "vote") == {"next": first.accepted}
    second = asyncio.run(read(ListSource(posts), broker, engine, within_s=5))
    assert (second.unfinished, second.duplicates) == (False, 0)
    assert first.accepted + second.accepted == 8
    hung = asyncio.run(read(ListSource([*posts, post()], pause_s=9), broker, engine, within_s=0.1))
    assert (hung.unfinished, hung.error) == (True, "list: gave nothing within 0.1 s.")


def test_planned_reading_does_not_wait_for_the_scorers(
    settings: Settings, redis_url: str, redis: Redis, feeds: FeedServer
) -> None:
    feed_url = feeds.serve("/f", feed(rss(item("the vote is open"), item("the vote is over"))))
    given = {"redis_url": redis_url, "feeds": (feed_url,), "stream_high_water": 1}
    config = settings.model_copy(update=given)
    plan_readings(config)  # brings the database to its newest revision
    track(engine_for(database_url(config)), EVENT.model_copy(update={"sources": ("rss",)}))
    [planned] = plan_readings(config)
    assert read_planned(config, planned, within_s=5).accepted == 2
    with pytest.raises(OverloadedError, match="2 posts wait for the scorers, over 1"):
        read_planned(config, planned, within_s=5)
    assert len(feeds.requests) == 1


def test_posted_items_are_counted_and_refused_one_by_one(broker: Broker, engine: Engine) -> None:
    track(engine, EVENT)
    good = {
        "source": "form",
        "id": "1",
        "text": "I love this vote",
        "created_at": "2026-03-14T12:00:00Z",
    }
    raw = [good, good, good | {"id": "2", "text": ""}, good | {"id": "3", "created_at": "soon"}]
    accepted, duplicates, rejected = publish_posted(raw, broker, engine)
    assert (accepted, duplicates) == (1, 1)
    assert [item["index"] for item in rejected] == [2, 3]
    assert "text" in str(rejected[0]["reason"])
    [stored] = stream_posts(broker)
    assert stored.events == ("vote",)
