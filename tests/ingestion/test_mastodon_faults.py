"""How the mastodon source takes what servers do wrong, and keeps to their limits."""

import asyncio
import copy
import json
import time
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from barometer.errors import SourceError
from barometer.settings import Settings
from ingestion.catalog import kind_of
from ingestion.mastodon.timelines import MastodonSource
from tests.ingestion.api_faults import FAULTS
from tests.ingestion.feed_server import FeedServer, feed_server, silent
from tests.ingestion.feed_server import status as answered
from tests.ingestion.mastodon_instance import API, Instance, numbered, status
from tests.ingestion.reading_sources import EVENT, ids, read, read_until_fault
from tests.ingestion.test_mastodon import mastodon

TAG, PUBLIC = API + "tag/harbour", API + "public"
LOGIN = {401: b'{"error": "The access token is invalid"}',
         422: b'{"error": "This method requires an authenticated user"}'}  # fmt: skip


@pytest.fixture
def other_feeds(feeds: FeedServer) -> Iterator[FeedServer]:
    """A second server."""
    with feed_server() as server:
        yield server


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_told_once_and_reading_goes_on_after_it(
    feeds: FeedServer, ledger: Engine, fault: str
) -> None:
    instance = Instance(feeds, {"harbour": [status(1)]})
    address = instance.open().replace("//", "//me:s3cret@")
    source = mastodon(ledger, address, timeout_s=0.3 if fault == "silent" else 1.0)
    position: dict[str, Any] = {}
    await read(source, position)
    before = copy.deepcopy(position)
    instance.tagged["harbour"].append(status(2))
    for path in (TAG, PUBLIC):
        feeds.serve(path, FAULTS[fault])
    posts, error = await read_until_fault(source, position)
    assert posts == []
    host = feeds.base.removeprefix("http://")
    assert str(error).startswith(f"mastodon: 1 of 1 servers failed ({host} ")
    assert "BAROMETER_MASTODON_SERVERS" in str(error)
    assert "s3cret" not in str(error) + json.dumps(position)
    pauses = "429" in fault or "Retry-After" in fault
    assert (error.until is not None) is pauses
    assert position["servers"][host].pop("not_before", None) is None or pauses
    assert position == before
    instance.open()
    assert ids(await read(source, position)) == ["2"]


@pytest.mark.parametrize("code", LOGIN)
async def test_without_the_public_timeline_hashtags_are_read(
    feeds: FeedServer, ledger: Engine, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    source = mastodon(ledger, Instance(feeds, {"harbour": [status(1)]}).open())
    feeds.serve(PUBLIC, answered(code, LOGIN[code]))
    position: dict[str, Any] = {}
    assert ids(await read(source, position)) == ["1"]
    said = capsys.readouterr()
    assert "wants a login" in said.out + said.err
    assert await read(source, position) == []
    assert len(feeds.asked(PUBLIC)) == 1  # not again for a day


async def test_hashtags_of_other_servers_may_need_a_login_too(
    feeds: FeedServer, ledger: Engine
) -> None:
    instance = Instance(feeds, {"harbour": [status(1), status(2, account={"acct": "bob"})]})
    source = mastodon(ledger, instance.open())
    shown = instance.timeline(instance.tagged["harbour"])
    feeds.serve(TAG, answered(401, LOGIN[401]), shown)
    position: dict[str, Any] = {}
    assert ids(await read(source, position)) == ["2"]
    await read(source, position)
    assert [request.query.get("local") for request in feeds.asked(TAG)][:3] == [
        None,
        ["true"],
        ["true"],
    ]


async def test_a_server_that_shows_nothing_without_a_login_is_told(
    feeds: FeedServer, ledger: Engine
) -> None:
    for path in (TAG, PUBLIC):
        feeds.serve(path, answered(401, LOGIN[401]))
    position: dict[str, Any] = {}
    for _ in range(2):
        _, error = await read_until_fault(mastodon(ledger, feeds.base), position)
        assert "shows its timelines only to those who log in" in str(error)


async def test_a_hashtag_that_nobody_used_is_no_fault(feeds: FeedServer, ledger: Engine) -> None:
    source = mastodon(ledger, Instance(feeds).open())
    feeds.serve(TAG, answered(404, b'{"error": "Record not found"}'))
    assert await read(source, {}) == []


async def test_one_server_fails_and_the_other_is_read(
    feeds: FeedServer, other_feeds: FeedServer, ledger: Engine
) -> None:
    good = Instance(feeds, {"harbour": [status(1)]}).open()
    other_feeds.serve(TAG, answered(429, Retry_After="120"))
    source = mastodon(ledger, good, other_feeds.base)
    position: dict[str, Any] = {}
    posts, error = await read_until_fault(source, position)
    assert ids(posts) == ["1"]
    assert "1 of 2 servers failed" in str(error)
    assert error.until is None  # the good one is to be asked on
    assert await read(source, position) == []
    assert len(other_feeds.requests) == 1
    assert len(feeds.asked(TAG)) > 1


async def test_a_slow_server_holds_no_other_up(
    feeds: FeedServer, other_feeds: FeedServer, ledger: Engine
) -> None:
    quick = Instance(feeds, {"harbour": numbered(range(200))})
    address = quick.open()
    other_feeds.serve(TAG, silent)
    source = mastodon(ledger, other_feeds.base, address, timeout_s=30)
    started = time.monotonic()
    position: dict[str, Any] = {}
    async with aclosing(source.read(EVENT, position)) as posts:
        assert len([await anext(posts) for _ in range(120)]) == 120
    assert time.monotonic() - started < 5


async def test_the_last_request_that_is_left_is_the_last(feeds: FeedServer, ledger: Engine) -> None:
    instance = Instance(feeds, {"harbour": numbered(range(10))})
    source = mastodon(ledger, instance.open())
    position: dict[str, Any] = {}
    await read(source, position)
    instance.tagged["harbour"] += numbered(range(10, 100))
    instance.remaining, instance.resets_in = 1, timedelta(seconds=0.3)
    asked = len(feeds.requests)
    posts = ids(await read(source, position))
    assert len(feeds.requests) == asked + 1
    with pytest.raises(SourceError, match="every server is left alone") as caught:
        await read(source, position)
    assert caught.value.until is not None
    assert len(feeds.requests) == asked + 1
    instance.remaining = 300
    await asyncio.sleep((caught.value.until - datetime.now(UTC)).total_seconds())
    posts += ids(await read(source, position))
    assert posts == [str(n) for n in range(10, 100)]


async def test_429_without_retry_after_is_heeded_by_its_reset(
    feeds: FeedServer, ledger: Engine
) -> None:
    instance = Instance(feeds, {"harbour": [status(1)]}, remaining=0)
    _, error = await read_until_fault(mastodon(ledger, instance.open()), {})
    assert error.until is not None
    left = error.until - datetime.now(UTC)
    assert timedelta(minutes=4, seconds=50) < left <= timedelta(minutes=5)
    assert len(feeds.requests) == 1


async def test_a_server_is_asked_no_more_than_it_allows_even_by_several_readers(
    feeds: FeedServer, ledger: Engine
) -> None:
    instance = Instance(feeds, {"harbour": numbered(range(200))})
    sources = [mastodon(ledger, instance.open(), requests=5) for _ in range(2)]
    await read(sources[0], {})
    posts, error = await read_until_fault(sources[1], {})
    assert posts == []
    assert len(feeds.requests) == 5
    assert "was asked as often as it allows" in str(error)
    assert error.until is not None
    assert error.until > datetime.now(UTC) + timedelta(minutes=4)


async def test_a_huge_answer_is_refused(feeds: FeedServer, ledger: Engine) -> None:
    instance = Instance(feeds, {"harbour": [status(1, "<p>" + "so " * 100_000 + "</p>")]})
    _, error = await read_until_fault(mastodon(ledger, instance.open()), {})
    assert "is larger than 300000 bytes (BAROMETER_SOURCE_MAX_BYTES)" in str(error)


async def test_a_link_that_leads_elsewhere_is_not_followed(
    feeds: FeedServer, ledger: Engine
) -> None:
    instance = Instance(feeds, {"harbour": numbered(range(50))})
    address = instance.open()
    page = json.dumps(instance.tagged["harbour"][:2]).encode()
    link = '<http://169.254.169.254/secret?max_id=7>; rel="next", <http://[>; rel="prev"'
    feeds.serve(TAG, answered(200, page, Link=link), answered(200, b"[]"))
    assert len(await read(mastodon(ledger, address), {})) == 2
    assert feeds.asked(TAG)[1].query["max_id"] == ["7"]


async def test_an_unusable_address_is_told(feeds: FeedServer, ledger: Engine) -> None:
    good = Instance(feeds, {"harbour": [status(1)]}).open()
    posts, error = await read_until_fault(mastodon(ledger, "http://[::1", good), {})
    assert ids(posts) == ["1"]
    assert "an unreadable address is not an http or https address" in str(error)


def test_the_settings_make_it(ledger: Engine) -> None:
    settings = Settings(database_url=str(ledger.url), mastodon_servers="https://a.example/")
    assert isinstance(kind_of("mastodon").open_polled(settings), MastodonSource)
    assert kind_of("mastodon").missing(Settings(mastodon_servers="off")) == (
        "BAROMETER_MASTODON_SERVERS"
    )
