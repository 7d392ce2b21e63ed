"""How the reddit source takes what Reddit and networks do wrong, and keeps to the limits."""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from barometer.errors import SourceError
from barometer.posts import Post
from ingestion.calls.allowance import Allowance
from ingestion.reddit.search import RedditSource
from tests.ingestion.api_faults import FAULTS, JSON
from tests.ingestion.conftest import Peak
from tests.ingestion.feed_server import (
    Answer,
    Exchange,
    gzipped,
    silent,
    status,
    trickling,
)
from tests.ingestion.reddit.server import (
    EVENT,
    SEARCH,
    SECRETS,
    TOKEN,
    Reddit,
    access,
    token,
)


@pytest.fixture(autouse=True)
def _found(reddit: Reddit) -> None:
    reddit.submit(1, "harbour one")
    reddit.submit(2, "harbour two")


def source(engine: Engine, **changed: Any) -> RedditSource:
    return RedditSource(access(engine, **{"timeout_s": 0.3, **changed}), ["city"])


async def read(reader: RedditSource, position: dict[str, Any]) -> list[Post]:
    return [post async for post in reader.read(EVENT, position)]


async def fault_of(reader: RedditSource, position: dict[str, Any] | None = None) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await read(reader, {} if position is None else position)
    told = str(caught.value)
    assert told.startswith("reddit: ")
    assert not any(secret in told for secret in SECRETS)
    return caught.value


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_fault_is_told_and_read_past(reddit: Reddit, engine: Engine, fault: Answer) -> None:
    reader, position = source(engine), {}
    reddit.server.serve(SEARCH, fault)
    await fault_of(reader, position)
    assert "taken" not in position
    reddit.server.serve(SEARCH, reddit.listing("t3"))
    assert len(await read(reader, position)) == 2


async def test_a_fault_on_a_later_page_leaves_no_gap(reddit: Reddit, engine: Engine) -> None:
    reddit.page = 1
    listing = reddit.listing("t3")
    reddit.server.serve(SEARCH, listing, status(404, b"{}", **JSON))
    reader, position = source(engine), {}
    assert "answered 404" in str(await fault_of(reader, position))
    reddit.server.serve(SEARCH, listing)
    assert len(await read(reader, position)) == 2


async def test_an_unknown_subreddit_is_named_as_such(reddit: Reddit, engine: Engine) -> None:
    """Reddit sends a search in it elsewhere, where nothing that was asked for is."""
    reddit.server.serve(SEARCH, status(302, Location="/subreddits/search?q=city"))
    assert "BAROMETER_REDDIT_SUBREDDITS" in str(await fault_of(source(engine)))


@pytest.mark.parametrize(
    "fault",
    ["401", "429 without", "500", "silent", "cut", "no JSON", "half a JSON", "other JSON"],
)
async def test_a_fault_of_the_token_s_address(reddit: Reddit, engine: Engine, fault: str) -> None:
    reddit.server.serve(TOKEN, FAULTS[fault])
    reader, position = source(engine), {}
    await fault_of(reader, position)
    reddit.server.serve(TOKEN, token)
    assert len(await read(reader, position)) == 2


@pytest.mark.parametrize("wrong", ["client_secret", "password"])
async def test_wrong_credentials_name_their_settings(
    reddit: Reddit, engine: Engine, wrong: str
) -> None:
    told = str(await fault_of(source(engine, **{wrong: SecretStr("wr0ng")})))
    assert "BAROMETER_REDDIT_CLIENT_SECRET" in told
    assert "BAROMETER_REDDIT_PASSWORD" in told
    assert "wr0ng" not in told
    assert len(reddit.server.asked(TOKEN)) == 1


async def test_a_token_that_has_run_out_is_renewed(reddit: Reddit, engine: Engine) -> None:
    expired = status(401, b'{"message": "Unauthorized", "error": 401}', **JSON)
    reddit.server.serve(SEARCH, expired, reddit.listing("t3"))
    assert len(await read(source(engine), {})) == 2
    assert len(reddit.server.asked(TOKEN)) == 2


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (FAULTS["429 with Retry-After"], 120),
        (FAULTS["503 with Retry-After"], 120),
        (FAULTS["429 without"], 60),
        (status(429, b"{}", x_ratelimit_reset="300", **JSON), 300),
        (status(429, b"", Retry_After="Fri, 31 Dec 9999 23:59:59 GMT"), 86_400),
    ],
)
async def test_when_to_come_again_is_told(
    reddit: Reddit, engine: Engine, answer: Answer, seconds: int
) -> None:
    reddit.server.serve(SEARCH, answer)
    until = (await fault_of(source(engine))).until
    assert until is not None
    assert abs((until - datetime.now(UTC)).total_seconds() - seconds) < 5
    assert len(reddit.server.asked(SEARCH)) == 1


async def test_a_passing_fault_is_tried_again(reddit: Reddit, engine: Engine) -> None:
    reddit.server.serve(SEARCH, status(502), FAULTS["cut"], reddit.listing("t3"))
    assert len(await read(source(engine), {})) == 2


@pytest.mark.parametrize("used_up", ["0", "0.0"])
async def test_reddit_s_own_count_is_kept_to(reddit: Reddit, engine: Engine, used_up: str) -> None:
    reddit.page = 1
    reddit.headers = _limits(used_up, reset=400)
    started = time.monotonic()
    until = (await fault_of(source(engine))).until
    assert time.monotonic() - started < 3  # praw by itself would sleep for 400 s
    assert until is not None
    assert abs((until - datetime.now(UTC)).total_seconds() - 400) < 5
    assert len(reddit.server.asked(SEARCH)) == 1


async def test_a_short_rest_is_waited_for(reddit: Reddit, engine: Engine) -> None:
    reddit.page = 1
    reddit.headers = _limits("0", reset=1)
    started = time.monotonic()
    assert len(await read(source(engine), {})) == 2
    assert 0.9 < time.monotonic() - started < 6


async def test_headers_that_are_no_numbers_are_told(reddit: Reddit, engine: Engine) -> None:
    reddit.headers = _limits("many", reset=1)
    assert "no listing" in str(await fault_of(source(engine)))


def _limits(remaining: str, reset: int) -> dict[str, str]:
    return {
        "x-ratelimit-remaining": remaining,
        "x-ratelimit-used": "100",
        "x-ratelimit-reset": str(reset),
    }


async def test_all_readers_together_keep_to_the_allowance(reddit: Reddit, engine: Engine) -> None:
    """Three readers need six calls; four are allowed in half a second, whoever makes them."""
    arrivals: list[float] = []

    def timed(answer: Answer) -> Answer:
        def answered(exchange: Exchange) -> None:
            arrivals.append(time.monotonic())
            answer(exchange)

        return answered

    reddit.server.serve(TOKEN, timed(token))
    reddit.server.serve(SEARCH, timed(reddit.listing("t3")))
    shared = timedelta(seconds=0.5)
    readers = [source(engine, allowance=Allowance(engine, "reddit", 4, shared)) for _ in range(3)]
    found = await asyncio.gather(*(read(reader, {}) for reader in readers))
    assert [len(posts) for posts in found] == [2, 2, 2]
    assert len(arrivals) == 6
    # A call arrives a moment after it is counted; that moment may be shorter for the next one.
    assert arrivals[4] - arrivals[0] > 0.4


async def test_a_used_up_allowance_says_until_when(reddit: Reddit, engine: Engine) -> None:
    spare = Allowance(engine, "reddit", 1, timedelta(minutes=5))
    fault = await fault_of(source(engine, allowance=spare))
    assert fault.until is not None
    assert reddit.server.asked(SEARCH) == []


@pytest.mark.parametrize(
    "answer", [FAULTS["endless"], gzipped(bytes(60_000_000)), gzipped(bytes(60_000_000), layers=2)]
)
async def test_a_body_over_the_bound_is_never_held(
    reddit: Reddit, engine: Engine, answer: Answer, peak: Peak
) -> None:
    reddit.server.serve(SEARCH, answer)
    reader = source(engine, timeout_s=5, max_bytes=100_000)
    with peak:
        await fault_of(reader)
    assert peak.megabytes < 8
    assert len(reddit.server.asked(SEARCH)) == 1


@pytest.mark.parametrize("slow", [silent, trickling(b"{}" * 1_000)], ids=["silent", "trickle"])
async def test_a_cancelled_reader_leaves_no_thread_at_work(
    reddit: Reddit, engine: Engine, slow: Answer
) -> None:
    working = threading.Event()

    def answer(exchange: Exchange) -> None:
        working.set()
        slow(exchange)

    reddit.server.serve(SEARCH, answer)
    reading = asyncio.create_task(read(source(engine, timeout_s=30), {}))
    assert await asyncio.to_thread(working.wait, 5)
    started = time.monotonic()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await asyncio.get_running_loop().shutdown_default_executor()  # waits for every thread
    assert time.monotonic() - started < 1.5


async def test_nobody_listens(
    reddit: Reddit, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("praw_oauth_url", "http://127.0.0.1:1")
    assert "cannot be reached" in str(await fault_of(source(engine)))
    monkeypatch.setenv("praw_oauth_url", "nonsense")
    assert "reddit: " in str(await fault_of(source(engine)))
