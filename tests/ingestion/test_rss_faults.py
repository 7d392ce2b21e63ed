"""How the rss source takes what servers and networks do wrong."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from tests.ingestion.conftest import Peak
from tests.ingestion.feed_bodies import item, rss
from tests.ingestion.feed_server import (
    Answer,
    FeedServer,
    cut,
    endless,
    feed,
    gzipped,
    silent,
    status,
    trickling,
)
from tests.ingestion.rss_reading import MAX_BYTES, read, read_until_fault, rss_source, texts

BODY = rss(item("Harbour closed", guid="tag:1"))
GOOD = feed(BODY)


def _in_an_hour() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


@pytest.mark.parametrize(
    "answer",
    [
        status(429, Retry_After="120"),
        status(429, Retry_After=_in_an_hour()),
        status(429),
        status(429, Retry_After="soon"),
        status(503, Retry_After="120"),
    ],
    ids=["seconds", "date", "none", "garbage", "503"],
)
async def test_a_feed_that_asks_for_a_pause_gets_it(feeds: FeedServer, answer: Answer) -> None:
    url = feeds.serve("/daily", answer, GOOD)
    other = feeds.serve("/other", GOOD)
    position: dict[str, Any] = {}
    posts, message = await read_until_fault(rss_source(url, other), position)
    assert "is left alone until" in message
    assert len(posts) == 1
    assert await read(rss_source(url, other), position) == []
    assert len(feeds.asked("/daily")) == 1
    assert len(feeds.asked("/other")) == 2


async def test_after_the_pause_it_is_asked_again(feeds: FeedServer) -> None:
    url = feeds.serve("/daily", status(429, Retry_After="1"), GOOD)
    position: dict[str, Any] = {}
    await read_until_fault(rss_source(url), position)
    await asyncio.sleep(1.05)
    assert texts(await read(rss_source(url), position)) == ["Harbour closed"]
    assert "not_before" not in str(position)


@pytest.mark.parametrize("retry_after", ["9" * 9, "9" * 5_000, "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_nobody_silences_a_feed_for_ever(feeds: FeedServer, retry_after: str) -> None:
    position: dict[str, Any] = {}
    url = feeds.serve("/daily", status(429, Retry_After=retry_after))
    await read_until_fault(rss_source(url), position)
    (state,) = position["feeds"].values()
    left = datetime.fromisoformat(state["not_before"]) - datetime.now(UTC)
    assert timedelta(seconds=30) < left <= timedelta(days=1)


@pytest.mark.parametrize(
    "fault", [status(500), status(502), status(503), cut(BODY)], ids=["500", "502", "503", "cut"]
)
async def test_a_passing_fault_is_tried_again(feeds: FeedServer, fault: Answer) -> None:
    url = feeds.serve("/daily", fault, GOOD)
    assert texts(await read(rss_source(url))) == ["Harbour closed"]
    assert len(feeds.requests) == 2


async def test_a_time_out_is_tried_again(feeds: FeedServer) -> None:
    url = feeds.serve("/daily", silent, GOOD)
    assert texts(await read(rss_source(url, timeout_s=0.5))) == ["Harbour closed"]


@pytest.mark.parametrize(
    ("fault", "reason"), [(status(500), "answered 500"), (cut(BODY), "broke off its answer")]
)
async def test_a_lasting_fault_ends_after_three_attempts(
    feeds: FeedServer, fault: Answer, reason: str
) -> None:
    _, message = await read_until_fault(rss_source(feeds.serve("/daily", fault)))
    assert f"127.0.0.1 {reason}" in message
    assert len(feeds.requests) == 3


@pytest.mark.parametrize("code", [204, 400, 401, 403, 404, 410])
async def test_a_refusal_is_told_and_not_repeated(feeds: FeedServer, code: int) -> None:
    _, message = await read_until_fault(rss_source(feeds.serve("/daily", status(code))))
    assert f"127.0.0.1 answered {code}" in message
    assert len(feeds.requests) == 1


@pytest.mark.parametrize("slow", [silent, trickling(BODY)], ids=["header", "trickle"])
async def test_a_slow_feed_ends_in_time(feeds: FeedServer, slow: Answer) -> None:
    url = feeds.serve("/daily", slow)
    started = time.monotonic()
    _, message = await read_until_fault(rss_source(url, timeout_s=0.4))
    assert time.monotonic() - started < 3 * 0.4 + 1  # one second for a busy machine
    assert "did not answer in full within 0.4 s" in message


async def test_a_server_that_is_not_there(feeds: FeedServer) -> None:
    _, message = await read_until_fault(rss_source("http://127.0.0.1:1/feed?key=s3cret"))
    assert "127.0.0.1 cannot be reached" in message
    assert "s3cret" not in message


@pytest.mark.parametrize(
    "answer",
    [endless, feed(rss(item("Harbour" + "!" * MAX_BYTES))), gzipped(b"<rss>" + bytes(60_000_000))],
    ids=["endless", "huge", "gzip bomb"],
)
async def test_a_body_over_the_bound_is_refused(feeds: FeedServer, answer: Answer) -> None:
    _, message = await read_until_fault(rss_source(feeds.serve("/daily", answer), timeout_s=10))
    assert "is larger than 100000 bytes (BAROMETER_FEED_MAX_BYTES)" in message
    assert len(feeds.requests) == 1


async def test_a_gzip_bomb_never_unfolds(feeds: FeedServer, peak: Peak) -> None:
    bombs = [
        feeds.serve("/bomb", gzipped(bytes(60_000_000))),
        feeds.serve("/nested", gzipped(bytes(60_000_000), layers=2)),
    ]
    with peak:
        await read_until_fault(rss_source(*bombs))
    assert peak.megabytes < 8


async def test_a_redirect_s_own_body_is_not_read(feeds: FeedServer, peak: Peak) -> None:
    feeds.serve("/daily", GOOD)
    url = feeds.serve("/moved", _moved_with_bomb(feeds.base + "/daily"))
    with peak:
        posts = await read(rss_source(url))
    assert texts(posts) == ["Harbour closed"]
    assert peak.megabytes < 8


def _moved_with_bomb(target: str) -> Answer:
    bomb = gzipped(bytes(60_000_000))

    def answer(exchange: Any) -> None:
        start = exchange.start
        exchange.start = lambda _, headers, length: start(
            302, {"Location": target, **headers}, length
        )
        bomb(exchange)

    return answer


async def test_gzip_as_servers_send_it(feeds: FeedServer) -> None:
    url = feeds.serve("/daily", gzipped(BODY))
    assert texts(await read(rss_source(url))) == ["Harbour closed"]
    assert feeds.requests[0].headers["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"not gzip", "sent a broken gzip body"), (b"\x1f\x8b\x08\x00", "broke off its answer")],
)
async def test_broken_gzip(feeds: FeedServer, body: bytes, reason: str) -> None:
    url = feeds.serve("/daily", status(200, body, Content_Encoding="gzip"))
    _, message = await read_until_fault(rss_source(url))
    assert reason in message


async def test_redirects_are_followed_three_times(feeds: FeedServer) -> None:
    feeds.serve("/3", GOOD)
    for step in range(3):
        feeds.serve(f"/{step}", status(302, Location=f"/{step + 1}"))
    assert len(await read(rss_source(feeds.base + "/0"))) == 1
    feeds.serve("/start", status(301, Location="/0"))
    _, message = await read_until_fault(rss_source(feeds.base + "/start"))
    assert "redirects more than 3 times" in message


async def test_a_redirect_loop_ends(feeds: FeedServer) -> None:
    feeds.serve("/b", status(302, Location="/a"))
    _, message = await read_until_fault(rss_source(feeds.serve("/a", status(302, Location="/b"))))
    assert "redirects more than 3 times" in message
    assert len(feeds.requests) == 4


@pytest.mark.parametrize("scheme", ["file", "ftp", "ws"])
async def test_only_http_is_followed(feeds: FeedServer, scheme: str) -> None:
    target = feeds.serve("/daily", GOOD).replace("http:", f"{scheme}:")
    _, message = await read_until_fault(rss_source(feeds.serve("/a", status(302, Location=target))))
    assert "127.0.0.1 is not an http or https address" in message


@pytest.mark.parametrize("url", ["file:///etc/passwd", "feed.xml", "http://[::1", "http:///x", ""])
async def test_an_unusable_address_is_told(feeds: FeedServer, url: str) -> None:
    good = feeds.serve("/daily", GOOD)
    posts, message = await read_until_fault(rss_source(url, good))
    assert "is not an http or https address" in message
    assert len(posts) == 1


@pytest.mark.parametrize("etag", ['"\xe9"', '"' + "x" * 2_000 + '"'], ids=["latin-1", "long"])
async def test_an_unusable_etag_is_not_sent_back(feeds: FeedServer, etag: str) -> None:
    url = feeds.serve("/daily", status(200, BODY, ETag=etag))
    position: dict[str, Any] = {}
    assert len(await read(rss_source(url), position)) == 1
    assert await read(rss_source(url), position) == []
    assert feeds.requests[1].headers["If-None-Match"] is None
