"""The rss source asked on demand."""

import time

import pytest

from barometer.errors import SourceError
from tests.ingestion.feed_bodies import news_search
from tests.ingestion.feed_server import FeedServer, feed, silent, status
from tests.ingestion.rss_reading import rss_source

FOUND = feed(news_search("harbour", [(f"Story {n}", "The Quay") for n in range(30)]))


async def test_a_search_gives_the_first_posts(feeds: FeedServer) -> None:
    unused = feeds.serve("/daily", FOUND)
    url = feeds.serve("/search", FOUND) + "?q={keyword}"
    posts = await rss_source(unused, search_url=url).search("old harbour", 5)
    assert [post.text for post in posts] == [f"Story {n} - The Quay" for n in range(5)]
    assert [request.query for request in feeds.requests] == [{"q": ["old harbour"]}]


async def test_without_a_search_address_nothing_is_asked(feeds: FeedServer) -> None:
    assert await rss_source(feeds.serve("/daily", FOUND)).search("harbour", 5) == []
    assert feeds.requests == []


async def test_there_is_one_attempt(feeds: FeedServer) -> None:
    url = feeds.serve("/search", status(500), FOUND) + "?key=s3cret&q={keyword}"
    with pytest.raises(SourceError, match=r"127\.0\.0\.1 answered 500") as caught:
        await rss_source(search_url=url).search("harbour", 5)
    assert len(feeds.requests) == 1
    assert "s3cret" not in str(caught.value)
    assert "BAROMETER_NEWS_SEARCH_URL" in str(caught.value)


async def test_nobody_waits_long(feeds: FeedServer) -> None:
    url = feeds.serve("/search", silent) + "?q={keyword}"
    started = time.monotonic()
    with pytest.raises(SourceError, match="did not answer in full within"):
        await rss_source(search_url=url, timeout_s=0.3).search("harbour", 5)
    assert time.monotonic() - started < 1.3


async def test_a_pause_that_was_asked_for_is_kept(feeds: FeedServer) -> None:
    url = feeds.serve("/search", status(429, Retry_After="60"), FOUND) + "?q={keyword}"
    source = rss_source(search_url=url)
    with pytest.raises(SourceError, match="answered 429"):
        await source.search("harbour", 5)
    with pytest.raises(SourceError, match="asked to be left alone until"):
        await source.search("boats", 5)
    assert len(feeds.requests) == 1


async def test_what_is_no_feed_is_told(feeds: FeedServer) -> None:
    url = feeds.serve("/search", feed(b"<html>log in</html>", "text/html")) + "?q={keyword}"
    with pytest.raises(SourceError, match="cannot be read as RSS or Atom"):
        await rss_source(search_url=url).search("harbour", 5)
