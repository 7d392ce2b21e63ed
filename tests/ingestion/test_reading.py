import asyncio
from collections.abc import AsyncGenerator

from redis import Redis
from sqlalchemy import Engine

from barometer.errors import SourceError
from barometer.events import Event, track
from barometer.posts import Post
from barometer.source_states import position_of, readings
from barometer.stream import PostStream
from ingestion.reading import publish_posted, read_source
from ingestion.source import Position
from tests.conftest import post

EVENT = Event(slug="vote", title="Vote", keywords=("vote",), sources=("list",))


class ListSource:
    """Posts from a list, with pauses and a fault where one is asked for."""

    name = "list"

    def __init__(self, posts: list[Post], *, pause_s: float = 0, fault_after: int = -1) -> None:
        self.posts, self.pause_s, self.fault_after = posts, pause_s, fault_after

    def missing_setting(self) -> str | None:
        return None if self.posts else "BAROMETER_LIST"

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        for index in range(position.get("next", 0), len(self.posts)):
            if index == self.fault_after:
                raise SourceError("the list is torn")
            await asyncio.sleep(self.pause_s)
            yield self.posts[index]
            position["next"] = index + 1


def stream_posts(redis: Redis) -> list[Post]:
    stream = PostStream(redis)
    stream.ensure_group()
    return [e.post for e in stream.read("t", 1000, block_ms=10) if e.post is not None]


def test_reads_into_the_stream_with_events_and_saves_its_position(
    redis: Redis, engine: Engine
) -> None:
    track(engine, EVENT)
    track(engine, Event(slug="city", title="City", keywords=("city",)))
    posts = [post(1, "the city waits"), post(2, "so happy"), post(2, "so happy"), post(3, "x\x00y")]
    reading = asyncio.run(read_source(ListSource(posts), EVENT, PostStream(redis), engine))
    assert (reading.accepted, reading.duplicates, reading.rejected) == (2, 1, 1)
    assert [p.events for p in stream_posts(redis)] == [("vote", "city"), ("vote",)]
    assert position_of(engine, "list", "vote") == {"next": 4}
    again = asyncio.run(read_source(ListSource(posts), EVENT, PostStream(redis), engine))
    assert (again.accepted, again.duplicates) == (0, 0)


def test_what_came_before_a_fault_is_kept_and_the_fault_is_said(
    redis: Redis, engine: Engine
) -> None:
    source = ListSource([post(n, f"text {n}") for n in range(5)], fault_after=3)
    reading = asyncio.run(read_source(source, EVENT, PostStream(redis), engine))
    assert reading.accepted == 3
    assert reading.error == "the list is torn"
    assert len(stream_posts(redis)) == 3
    assert position_of(engine, "list", "vote") == {"next": 3}
    assert readings(engine)[0].last_error == "the list is torn"


def test_slow_source_is_published_before_its_chunk_is_full(redis: Redis, engine: Engine) -> None:
    async def first_within(seconds: float) -> int:
        source = ListSource([post(1, "first"), post(2, "second")], pause_s=2.0)
        task = asyncio.create_task(read_source(source, EVENT, PostStream(redis), engine))
        await asyncio.sleep(seconds)
        seen = redis.xlen("barometer:posts")
        await task
        return seen

    assert asyncio.run(first_within(3.2)) == 1


def test_source_without_its_setting_is_left_out(redis: Redis, engine: Engine) -> None:
    reading = asyncio.run(read_source(ListSource([]), EVENT, PostStream(redis), engine))
    assert reading.error == "needs BAROMETER_LIST"


def test_posted_items_are_counted_and_refused_one_by_one(redis: Redis, engine: Engine) -> None:
    track(engine, EVENT)
    good = {
        "source": "form",
        "id": "1",
        "text": "I love this vote",
        "created_at": "2026-03-14T12:00:00Z",
    }
    raw = [good, good, good | {"id": "2", "text": ""}, good | {"id": "3", "created_at": "soon"}]
    accepted, duplicates, rejected = publish_posted(raw, PostStream(redis), engine)
    assert (accepted, duplicates) == (1, 1)
    assert [item["index"] for item in rejected] == [2, 3]
    assert "text" in str(rejected[0]["reason"])
    [stored] = stream_posts(redis)
    assert stored.events == ("vote",)
