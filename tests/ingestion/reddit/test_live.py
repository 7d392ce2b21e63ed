"""Reddit's streams, through praw: followed, broken off, and gone on with."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from sqlalchemy import Engine

from barometer.errors import SourceError
from barometer.posts import Post
from ingestion.reddit.live import RedditStream
from tests.ingestion.api_faults import FAULTS
from tests.ingestion.reddit.server import (
    COMMENTS,
    EVENT,
    NEW,
    SECRETS,
    Reddit,
    access,
    written,
)


def follow(engine: Engine, position: dict[str, Any]) -> AsyncGenerator[Post, None]:
    stream = RedditStream(access(engine, timeout_s=0.3), ["city"], pause_s=0.05)
    return stream.follow(lambda: [EVENT], position)


def follow_again(engine: Engine, position: dict[str, Any]) -> AsyncGenerator[Post, None]:
    """From the position as it was saved."""
    return follow(engine, json.loads(json.dumps(position)))


async def take(posts: AsyncGenerator[Post, None], number: int) -> list[str]:
    async with asyncio.timeout(10):
        return [(await anext(posts)).id for _ in range(number)]


async def silence(posts: AsyncGenerator[Post, None], seconds: float = 0.3) -> None:
    """Come back for more, find nothing, and end the stream."""
    waiting = asyncio.ensure_future(anext(posts))
    done, _ = await asyncio.wait({waiting}, timeout=seconds)
    assert not done, waiting
    waiting.cancel()
    await asyncio.wait({waiting})
    await posts.aclose()


async def test_submissions_and_comments_come_as_they_are_written(
    reddit: Reddit, engine: Engine
) -> None:
    reddit.submit(1, "the harbour at dawn")
    reddit.submit(2, "nothing of interest")
    reddit.comment(3, "what a Harbour! 🌅")
    reddit.comment(4, "[removed]", link_title="harbour")
    posts = follow(engine, {})
    assert await take(posts, 2) == ["t3_000001", "t1_000003"]
    reddit.submit(5, "harbour news")
    reddit.comment(6, "the harbour again")
    [first, second] = [await anext(posts), await anext(posts)]
    assert {first.id, second.id} == {"t3_000005", "t1_000006"}
    comment = first if first.id.startswith("t1") else second
    assert comment == Post(
        source="reddit",
        id="t1_000006",
        text="the harbour again",
        created_at=written(6),
        author="ferry_fan",
        url="https://www.reddit.com/r/city/comments/000001/title/000006/",
        metadata={"kind": "comment", "subreddit": "city", "score": 2},
    )
    await silence(posts)


async def test_after_a_break_it_goes_on_after_what_was_taken(
    reddit: Reddit, engine: Engine
) -> None:
    for number in range(3):
        reddit.submit(number, f"harbour {number}")
    position: dict[str, Any] = {}
    posts = follow(engine, position)
    assert await take(posts, 3) == ["t3_000000", "t3_000001", "t3_000002"]
    await silence(posts)
    for number in range(3, 260):
        reddit.submit(number, f"harbour {number}")
    asked = len(reddit.server.asked(NEW))
    again = follow_again(engine, position)
    assert await take(again, 257) == [f"t3_{n:06d}" for n in range(3, 260)]
    assert reddit.server.asked(NEW)[asked].query["before"] == ["t3_000002"]
    await silence(again)


async def test_a_break_in_the_middle_of_a_page_repeats_what_was_under_way(
    reddit: Reddit, engine: Engine
) -> None:
    for number in range(5):
        reddit.comment(number, f"harbour {number}")
    position: dict[str, Any] = {}
    posts = follow(engine, position)
    await take(posts, 3)
    await posts.aclose()
    again = follow_again(engine, position)
    assert await take(again, 3) == ["t1_000002", "t1_000003", "t1_000004"]
    await silence(again)


async def test_what_it_was_to_go_on_after_may_be_deleted_meanwhile(
    reddit: Reddit, engine: Engine
) -> None:
    names = [reddit.submit(number, f"harbour {number}") for number in range(5)]
    position: dict[str, Any] = {}
    posts = follow(engine, position)
    await take(posts, 5)
    await silence(posts)
    reddit.delete(names[-1])
    for number in range(5, 155):
        reddit.submit(number, f"harbour {number}")
    again = follow_again(engine, position)
    assert await take(again, 150) == [f"t3_{n:06d}" for n in range(5, 155)]
    await silence(again)


async def test_other_subreddits_begin_anew(reddit: Reddit, engine: Engine) -> None:
    reddit.submit(1, "harbour")
    position: dict[str, Any] = {"submissions": {"of": "village", "taken": [[9e9, "t3_zzzzzz"]]}}
    posts = follow(engine, position)
    assert await take(posts, 1) == ["t3_000001"]
    await silence(posts)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (NEW, "403"),
        (NEW, "silent"),
        (COMMENTS, "429 with Retry-After"),
        (COMMENTS, "500"),
        (COMMENTS, "other JSON"),
    ],
)
async def test_a_fault_ends_the_stream_and_the_next_goes_on(
    reddit: Reddit, engine: Engine, fault: str, path: str
) -> None:
    reddit.submit(1, "harbour one")
    position: dict[str, Any] = {}
    posts = follow(engine, position)
    await take(posts, 1)
    waiting = asyncio.ensure_future(anext(posts))
    await asyncio.sleep(0.1)
    good = reddit.server.answers[path]
    reddit.server.serve(path, FAULTS[fault])
    with pytest.raises(SourceError, match=r"^reddit: ") as caught:
        await waiting
    assert not any(secret in str(caught.value) for secret in SECRETS)
    assert (caught.value.until is not None) is fault.startswith("429")
    reddit.server.answers[path] = good
    reddit.submit(2, "harbour two")
    again = follow_again(engine, position)
    assert await take(again, 1) == ["t3_000002"]
    await silence(again)
