"""The search of X against a server that answers as its API does."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from barometer.authors import Authors
from barometer.back_pressure import Pressure
from barometer.broker import Broker
from barometer.errors import SourceError
from barometer.events import Event, track
from barometer.posts import Post
from barometer.settings import Settings
from barometer.source_states import Taken, save_reading
from ingestion.intake import Intake
from ingestion.reading import read_source
from ingestion.x.client import queries_of
from ingestion.x.posts import id_at
from ingestion.x.search import XSource
from tests.ingestion.api_faults import FAULTS
from tests.ingestion.feed_server import FeedServer, status
from tests.ingestion.x_api import NOON, NOT_FOUND, SEARCH, TOKEN, XApi, access, tweet

EVENT = Event(slug="vote", title="Vote", keywords=("harbour vote", "ferry"), sources=("x",))
QUERY = '("harbour vote" OR "ferry") -is:retweet'


@pytest.fixture
def api(feeds: FeedServer) -> XApi:
    return XApi(feeds)


def source(api: XApi, ledger: Engine, monthly_posts: int = 10_000, **more: Any) -> XSource:
    return XSource(access(api, ledger, monthly_posts, **more))


async def read(source: XSource, position: dict[str, Any] | None = None) -> list[Post]:
    return [post async for post in source.read(EVENT, {} if position is None else position)]


def numbers(posts: list[Post]) -> list[int]:
    return [int(post.text.rpartition(" ")[2]) for post in posts]


async def test_a_tweet_becomes_a_post(api: XApi, ledger: Engine, tmp_path: Path) -> None:
    text = "Die Fähre &amp; ich 🎉 &lt;3"
    api.tweets = [tweet(1, NOON, text, lang="de"), tweet(2, NOON, author_id="78", lang="qme")]
    api.tweets += [tweet(3, NOON, note_tweet={"text": "a long story"}), tweet(4, NOON, text=" ")]
    api.errors = [NOT_FOUND]
    first, second, third = (await read(source(api, ledger)))[:3]
    assert first.text == "Die Fähre & ich 🎉 <3"
    assert (first.source, first.author, first.language) == ("x", "ada", "de")
    assert (first.created_at, first.id) == (NOON, api.tweets[0]["id"])
    assert first.url == f"https://x.com/i/status/{first.id}"
    assert Authors(Settings(state_dir=tmp_path)).hidden(first).url == first.url
    assert first.metadata == {"retweet_count": 1, "like_count": 2}
    assert (second.author, second.language) == (None, None)
    assert third.text == "a long story"


async def test_what_is_asked(api: XApi, ledger: Engine) -> None:
    await read(source(api, ledger))
    [request] = api.server.requests
    fields = request.query.pop("tweet.fields")[0]
    assert {"created_at", "lang", "author_id", "public_metrics"} <= set(fields.split(","))
    assert request.query == {
        "query": [QUERY],
        "max_results": ["100"],
        "expansions": ["author_id"],
        "user.fields": ["username"],
    }


def test_long_keywords_become_several_queries() -> None:
    queries = queries_of([f"{'harbour' * 10} {n}" for n in range(20)])
    assert len(queries) > 1
    assert max(map(len, queries)) <= 512
    assert queries_of(['say "vote" from:me', '"']) == ['("say vote from:me") -is:retweet']


async def test_pages_are_read_to_what_is_known(api: XApi, ledger: Engine) -> None:
    api.tweets = [tweet(n) for n in range(150)]
    position: dict[str, Any] = {}
    assert sorted(numbers(await read(source(api, ledger), position))) == list(range(50, 150))
    api.tweets += [tweet(n) for n in range(150, 480)]
    later = numbers(await read(source(api, ledger), position))
    assert sorted(later) == list(range(150, 480))
    assert await read(source(api, ledger), position) == []
    assert len(api.server.requests) == 6


async def test_the_first_posts_after_an_empty_search_are_not_missed(
    api: XApi, ledger: Engine
) -> None:
    position: dict[str, Any] = {}
    assert await read(source(api, ledger), position) == []
    now = datetime.now(UTC)
    api.tweets = [tweet(n, now) for n in range(120)]
    assert len(await read(source(api, ledger), position)) == 120


async def test_a_position_older_than_the_search_reaches(api: XApi, ledger: Engine) -> None:
    old = str(id_at(NOON - timedelta(days=9)))
    api.tweets = [tweet(1)]
    position = {"queries": {QUERY: {"since_id": old, "newest_id": old, "until_id": old}}}
    assert numbers(await read(source(api, ledger), position)) == [1]
    assert "start_time" in api.server.requests[0].query


@pytest.mark.parametrize("fault", FAULTS)
async def test_faults(
    api: XApi, ledger: Engine, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    api.tweets = [tweet(1)]
    position: dict[str, Any] = {}
    await read(source(api, ledger), position)
    before = json.dumps(position)
    api.tweets.append(tweet(2))
    api.server.serve(SEARCH, FAULTS[fault])
    patient = source(api, ledger, timeout_s=0.1 if fault == "silent" else 2.0)
    with pytest.raises(SourceError, match=r"^x: the API at 127\.0\.0\.1 ") as caught:
        await read(patient, position)
    assert json.dumps(position) == before
    assert (caught.value.until is not None) == (fault[:3] == "429" or "Retry-After" in fault)
    assert TOKEN not in str(caught.value) + before + caplog.text
    api.works()
    assert numbers(await read(source(api, ledger), position)) == [2]


async def test_the_window_of_the_rate_limit_is_waited_for(api: XApi, ledger: Engine) -> None:
    resets = int(time.time()) + 300
    api.server.serve(SEARCH, status(429, b"{}", x_rate_limit_reset=str(resets)))
    with pytest.raises(SourceError, match="answered 429") as caught:
        await read(source(api, ledger))
    assert caught.value.until is not None
    assert abs(caught.value.until.timestamp() - resets) < 2


async def test_a_wrong_token_is_told_without_it(api: XApi, ledger: Engine) -> None:
    with pytest.raises(SourceError, match=r"answered 401; correct BAROMETER_X_BEARER") as caught:
        await read(source(api, ledger, bearer_token="wr0ng"))  # noqa: S106  a wrong one
    assert "wr0ng" not in str(caught.value)


async def test_what_is_not_returned_is_not_counted(api: XApi, ledger: Engine) -> None:
    api.tweets = [tweet(n) for n in range(30)]
    await read(source(api, ledger))
    api.server.serve(SEARCH, status(500))
    with pytest.raises(SourceError):
        await read(source(api, ledger))
    assert access(api, ledger).allowance.left() == 9_970


async def test_the_month_s_posts_hold_over_a_restart(api: XApi, ledger: Engine) -> None:
    api.tweets = [tweet(0)]
    position: dict[str, Any] = {}
    await read(source(api, ledger, 100), position)
    api.tweets = [tweet(n) for n in range(200)]
    found: list[Post] = []

    async def read_on() -> None:
        async for post in source(api, ledger, 100).read(EVENT, position):
            found.append(post)  # noqa: PERF401  a comprehension would lose them

    with pytest.raises(SourceError, match=r"^x: the 100 posts that it allows in 30 days") as caught:
        await read_on()
    wait = caught.value.until - datetime.now(UTC)  # type: ignore[operator]
    assert timedelta(days=29) < wait < timedelta(days=31)
    assert 90 < api.delivered <= 100
    assert len(found) == api.delivered - 1
    with pytest.raises(SourceError, match="are used up"):
        await read_on()
    assert api.delivered <= 100


async def test_what_the_stream_brought_is_not_asked_for(api: XApi, ledger: Engine) -> None:
    api.tweets = [tweet(1)]
    position: dict[str, Any] = {}
    await read(source(api, ledger), position)

    async def read_beside(begins: datetime, ends: datetime) -> int:
        followed = {QUERY: [begins.isoformat(), ends.isoformat()]}
        save_reading(ledger, "x", "", {"followed": followed}, taken=Taken())
        before = len(api.server.requests)
        await read(source(api, ledger), position)
        return len(api.server.requests) - before

    now = datetime.now(UTC)
    assert await read_beside(NOON - timedelta(hours=1), now) == 0
    since = int(position["queries"][QUERY]["since_id"])
    assert id_at(now - timedelta(seconds=31)) < since < id_at(now)
    assert await read_beside(NOON, now - timedelta(minutes=5)) == 1  # the stream has broken
    assert await read_beside(now, now) == 1  # it began after what was read last


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_restart_in_the_middle_leaves_no_gap(
    api: XApi, broker: Broker, engine: Engine
) -> None:
    track(engine, EVENT)
    api.tweets = [tweet(0)]

    async def reading() -> str | None:
        intake = Intake(broker, Pressure(broker, 10_000), engine)
        return (await read_source(source(api, engine), EVENT, intake)).error

    assert await reading() is None
    api.tweets = [tweet(n) for n in range(250)]
    search = api.server.answers[SEARCH][0]
    api.server.serve(SEARCH, search, status(403))
    assert "answered 403" in str(await reading())
    api.works()
    api.tweets += [tweet(n) for n in range(250, 300)]
    for _ in range(2):  # first what was open, then what is new
        assert await reading() is None
    found = [e.post for e in broker.receive("t", 1_000, block_ms=10) if e.post is not None]
    assert sorted(numbers(found)) == list(range(300))
    assert not any(post.may_train for post in found)
    assert api.delivered == 300
