"""The filtered stream of X against a server that answers as its API does."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from barometer.back_pressure import Pressure
from barometer.broker import Broker
from barometer.errors import SourceError
from barometer.events import Event, track
from barometer.posts import Post
from ingestion.following import Pace, follow
from ingestion.intake import Intake
from ingestion.reading import read_source
from ingestion.x.live import XStream
from ingestion.x.search import XSource
from tests.ingestion.api_faults import FAULTS
from tests.ingestion.feed_server import FeedServer
from tests.ingestion.x_api import NOT_FOUND, RULES, STREAM, TOKEN, XApi, access, tweet

VOTE = Event(slug="vote", title="Vote", keywords=("harbour vote",), sources=("x",))
FERRY = Event(slug="ferry", title="Ferry", keywords=("ferry",), sources=("x",))


@pytest.fixture
def api(feeds: FeedServer) -> XApi:
    return XApi(feeds)


def stream(
    api: XApi,
    ledger: Engine,
    monthly_posts: int = 10_000,
    *,
    silence_s: float = 5.0,
    **more: Any,
) -> XStream:
    who = access(api, ledger, monthly_posts, **more)
    return XStream(who, silence_s=silence_s, renew_s=0.05)


@contextlib.asynccontextmanager
async def following(
    api: XApi, source: XStream, events: Sequence[Event], position: dict[str, Any] | None = None
) -> AsyncIterator[AsyncGenerator[Post, None]]:
    """Follow for a while; afterwards no thread and no connection is left."""
    position = {} if position is None else position
    async with contextlib.aclosing(source.follow(lambda: events, position)) as posts:
        yield posts
    assert not [one for one in threading.enumerate() if one.name == "Tweepy Stream"]
    api.send(None)
    await until(lambda: not api.followers)


async def soon(answer: Awaitable[Post]) -> Post:
    async with asyncio.timeout(10):
        return await answer


async def next_of(api: XApi, posts: AsyncGenerator[Post, None], *tweets: dict[str, Any]) -> Post:
    """The first post that comes once the stream stands and `tweets` are written."""
    upcoming = asyncio.ensure_future(anext(posts))
    await until(lambda: api.followers)
    api.publish(*tweets)
    return await soon(upcoming)


async def until(true: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def now_tweet(number: int, text: str = "", **fields: Any) -> dict[str, Any]:
    return tweet(number, datetime.now(UTC), text, **fields)


async def test_posts_come_with_the_events_whose_rules_they_match(api: XApi, ledger: Engine) -> None:
    position: dict[str, Any] = {}
    async with following(api, stream(api, ledger), [VOTE, FERRY], position) as posts:
        text = "the ferry 🎉 &amp; its harbour vote"
        post = await next_of(api, posts, now_tweet(1, text, lang="de"))
        upcoming = asyncio.ensure_future(anext(posts))
        await asyncio.sleep(0.3)  # three keep-alives
        api.send(b'{"errors": [{"title": "operational-disconnect"}]}\r\n')
        with pytest.raises(SourceError, match="told of an error in its stream"):
            await soon(upcoming)
    assert post.text == "the ferry 🎉 & its harbour vote"
    assert (post.author, post.events, post.language) == ("ada", ("vote", "ferry"), "de")
    [(begins, ends), other] = position["followed"].values()
    assert [begins, ends] == other
    kept = datetime.fromisoformat(ends) - datetime.fromisoformat(begins)
    assert timedelta(seconds=0.2) < kept < timedelta(seconds=2)
    fields = api.server.asked(STREAM)[0].query
    assert (fields["expansions"], fields["user.fields"]) == (["author_id"], ["username"])


async def test_rules_are_kept_in_step_with_the_events(api: XApi, ledger: Engine) -> None:
    api.rules = {
        "1": {"id": "1", "value": "cats", "tag": "another program's"},
        "2": {"id": "2", "value": '("old") -is:retweet', "tag": "barometer:old"},
    }

    def tags() -> set[str]:
        return {rule["tag"] for rule in api.rules.values()}

    events = [VOTE]
    async with following(api, stream(api, ledger), events) as posts:
        upcoming = asyncio.ensure_future(anext(posts))
        await until(lambda: api.followers)
        assert tags() == {"another program's", "barometer:vote"}
        events[:] = [FERRY]
        await until(lambda: tags() == {"another program's", "barometer:ferry"})
        api.publish(now_tweet(1, "on the ferry"))
        assert (await soon(upcoming)).events == ("ferry",)
    assert len(api.server.asked(STREAM)) == 1  # X takes new rules without a new connection


async def test_rules_that_are_there_are_left(api: XApi, ledger: Engine) -> None:
    for number in range(2):
        async with following(api, stream(api, ledger), [VOTE, FERRY]) as posts:
            assert (await next_of(api, posts, now_tweet(number))).events == ("vote",)
    assert [r.method for r in api.server.asked(RULES)] == ["GET", "POST", "GET"]


async def test_a_rule_too_many_leaves_the_others(api: XApi, ledger: Engine) -> None:
    api.most_rules = 1
    position: dict[str, Any] = {}
    async with following(api, stream(api, ledger), [VOTE, FERRY], position) as posts:
        await next_of(api, posts, now_tweet(1))
    assert list(position["followed"]) == ['("harbour vote") -is:retweet']
    api.most_rules, api.rules = 0, {}
    async with following(api, stream(api, ledger), [VOTE]) as posts:
        with pytest.raises(SourceError, match=r"^x: the API at 127\.0\.0\.1 answered 400"):
            await soon(anext(posts))


async def test_a_post_whose_author_is_gone_is_a_post(api: XApi, ledger: Engine) -> None:
    async with following(api, stream(api, ledger), [VOTE]) as posts:
        upcoming = asyncio.ensure_future(anext(posts))
        await until(lambda: api.followers)
        rules = list(api.rules.values())
        line = {"data": now_tweet(1), "errors": [NOT_FOUND], "matching_rules": rules}
        api.send(json.dumps(line).encode() + b"\r\n")
        assert (await soon(upcoming)).author is None


@pytest.mark.parametrize(
    ("path", "fault"),
    [*((STREAM, fault) for fault in FAULTS), (RULES, "401"), (RULES, "silent"), (RULES, "cut")],
)
async def test_faults(
    api: XApi, ledger: Engine, path: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    good = api.server.answers[path][0]
    api.server.serve(path, FAULTS[fault], good)
    position: dict[str, Any] = {}
    short = {"timeout_s": 0.2, "silence_s": 0.2} if fault == "silent" else {}
    async with following(api, stream(api, ledger, **short), [VOTE], position) as posts:
        with pytest.raises(SourceError, match=r"^x: the API at 127\.0\.0\.1 ") as caught:
            await soon(anext(posts))
    assert (caught.value.until is not None) == (fault[:3] == "429" or "Retry-After" in fault)
    assert TOKEN not in str(caught.value) + str(position) + caplog.text
    assert access(api, ledger).allowance.left() == 10_000
    async with following(api, stream(api, ledger), [VOTE], position) as posts:
        assert (await next_of(api, posts, now_tweet(2))).text == "the harbour vote, 2"


async def test_a_stream_that_falls_silent_is_left(api: XApi, ledger: Engine) -> None:
    api.keep_alive_s = 60
    async with following(api, stream(api, ledger, silence_s=0.2), [VOTE]) as posts:
        with pytest.raises(SourceError, match="fell silent in the middle"):
            await soon(anext(posts))


async def test_leaving_ends_the_thread_at_once(api: XApi, ledger: Engine) -> None:
    api.keep_alive_s = 60
    async with following(api, stream(api, ledger, silence_s=30), [VOTE]) as posts:
        upcoming = asyncio.ensure_future(anext(posts))
        await until(lambda: api.followers)
        begun = time.monotonic()
        upcoming.cancel()
        await asyncio.wait({upcoming})
    assert time.monotonic() - begun < 0.5


async def test_a_reader_that_stands_still_is_waited_for(api: XApi, ledger: Engine) -> None:
    async with following(api, stream(api, ledger), [VOTE]) as posts:
        await next_of(api, posts, *(now_tweet(n) for n in range(400)))
        await until(lambda: access(api, ledger).allowance.left() < 9_800)
        await asyncio.sleep(0.1)
        assert access(api, ledger).allowance.left() == 9_750  # of 200 that wait, and a reserve


async def test_the_month_s_posts_hold_over_a_restart(api: XApi, ledger: Engine) -> None:
    found: list[Post] = []

    async def follow_to_the_end() -> None:
        async with following(api, stream(api, ledger, 15), [VOTE]) as posts:
            async for post in posts:
                found.append(post)  # noqa: PERF401  a comprehension would lose them

    async with following(api, stream(api, ledger, 15), [VOTE]) as posts:
        found.append(await next_of(api, posts, now_tweet(0)))
    assert access(api, ledger, 15).allowance.left() == 14
    ending = asyncio.ensure_future(follow_to_the_end())
    await until(lambda: api.followers)
    api.publish(*(now_tweet(n) for n in range(1, 30)))
    with pytest.raises(SourceError, match=r"^x: the 15 posts that it allows in 30") as caught:
        await asyncio.wait_for(ending, 10)
    assert len(found) == 15
    wait = caught.value.until - datetime.now(UTC)  # type: ignore[operator]
    assert timedelta(days=29) < wait < timedelta(days=31)
    asked = len(api.server.asked(STREAM))
    with pytest.raises(SourceError, match="are used up"):
        await asyncio.wait_for(follow_to_the_end(), 10)
    assert len(api.server.asked(STREAM)) == asked


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_a_break_leaves_out_the_search_brings(
    api: XApi, broker: Broker, engine: Engine
) -> None:
    track(engine, VOTE)
    intake = Intake(broker, Pressure(broker, 10_000), engine)
    searching = XSource(access(api, engine))

    async def write(number: int) -> None:
        api.tweets.append(now_tweet(number))
        api.publish(api.tweets[-1])

    async def follow_while(number: int) -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(follow(stream(api, engine), intake, stop, Pace()))
        await until(lambda: api.followers)
        await write(number)
        await until(lambda: broker.backlog() == number + 1)
        stop.set()
        await asyncio.wait_for(task, 10)
        await until(lambda: not api.followers)

    await follow_while(0)
    await write(1)  # nobody listens
    assert (await read_source(searching, VOTE, intake)).error is None
    await follow_while(2)
    assert (await read_source(searching, VOTE, intake)).error is None
    found = [e.post for e in broker.receive("t", 100, block_ms=10) if e.post is not None]
    assert [post.text[-1] for post in found] == ["0", "1", "2"]
    assert not any(post.may_train for post in found)
