"""What the hackernews source yields, where it goes on, and how it takes faults."""

import copy
import json
import time
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from barometer.errors import SourceError
from barometer.events import Event
from barometer.settings import Settings
from ingestion.calls.allowance import Allowance
from ingestion.catalog import kind_of, searchable
from ingestion.hackernews.search import HackerNewsSource
from tests.ingestion.algolia import Algolia, comment, story
from tests.ingestion.api_faults import FAULTS
from tests.ingestion.feed_server import FeedServer, silent, status
from tests.ingestion.reading_sources import EVENT, ids, read, read_until_fault

SEARCH = "/api/v1/search_by_date"
HOUR = timedelta(hours=1)


def hackernews(
    ledger: Engine,
    url: str,
    *,
    timeout_s: float = 2.0,
    max_bytes: int = 2_000_000,
    most: int = 1_000,
) -> HackerNewsSource:
    allowance = Allowance(ledger, "hackernews", most, HOUR)
    return HackerNewsSource(url=url, allowance=allowance, timeout_s=timeout_s, max_bytes=max_bytes)


async def test_comments_and_stories_become_posts(feeds: FeedServer, ledger: Engine) -> None:
    text = (
        "I love the harbour 🎉 &amp; &quot;größe&quot;!<p>It&#x27;s <i>great</i>: "
        '<a href="https:&#x2F;&#x2F;a.example" rel="nofollow">https:&#x2F;&#x2F;a.example</a>'
        "<pre><code>1 &lt; 2</code></pre>"
    )
    told = [comment(8, text, age_s=60), story(7, "Ask HN: The harbour?", "Why?<p>How?", age_s=90)]
    url = Algolia(feeds, told).open()
    before, one = await read(hackernews(ledger, url), {})
    assert one.key == ("hackernews", "8")
    assert one.text == 'I love the harbour 🎉 & "größe"! It\'s great: https://a.example 1 < 2'
    assert one.url == "https://news.ycombinator.com/item?id=8"
    assert one.author == "ann"
    assert one.created_at == datetime.fromtimestamp(told[0]["created_at_i"], UTC)
    assert one.metadata == {"kind": "comment", "story": "Show HN: a harbour"}
    assert one.language is None
    assert before.text == "Ask HN: The harbour? Why? How?"
    assert before.metadata == {"kind": "story"}
    assert feeds.requests[0].headers["User-Agent"] == "Barometer/0.1.0 (public posts)"


async def test_keywords_are_asked_for_as_phrases_and_matches_looked_at(
    feeds: FeedServer, ledger: Engine
) -> None:
    texts = ["all the night trains", "trains at night", "fortnight trains", "öl 🎉 so Öl"]
    # The search also finds a comment by its story's title.
    hits = [comment(n, text, age_s=99 - n, story_title="öl") for n, text in enumerate(texts)]
    event = Event(slug="e", title="E", keywords=('night "trains"', "night trains", "öl"))
    posts = await read(hackernews(ledger, Algolia(feeds, hits).open()), {}, event)
    assert ids(posts) == ["0", "3"]
    assert [request.query["query"] for request in feeds.requests] == [
        ['"night  trains "'],
        ['"night trains"'],
        ['"öl"'],
    ]
    assert feeds.requests[0].query["tags"] == ["(comment,story)"]


async def test_a_new_keyword_gives_the_newest_and_then_all_that_is_new(
    feeds: FeedServer, ledger: Engine
) -> None:
    index = Algolia(feeds, [comment(n, age_s=90_000 - n) for n in range(300)])
    source = hackernews(ledger, index.open())
    position: dict[str, Any] = {}
    assert ids(await read(source, position)) == [str(n) for n in range(200, 300)]
    assert await read(source, json.loads(json.dumps(position))) == []
    index.hits += [comment(n, age_s=3_000 - n) for n in range(300, 650)]
    assert ids(await read(source, position)) == [str(n) for n in range(300, 650)]
    assert await read(source, position) == []
    pages = [int(request.query["page"][0]) for request in feeds.requests]
    assert pages == [0, 0, 0, 1, 2, 3, 0, 1, 2, 3]


async def test_more_than_one_search_reaches_is_read_whole(
    feeds: FeedServer, ledger: Engine
) -> None:
    index = Algolia(feeds, [])
    source = hackernews(ledger, index.open())
    position: dict[str, Any] = {"keywords": {"harbour": {"until": int(time.time()) - 50_000}}}
    index.hits += [comment(n, age_s=49_000 - 37 * n) for n in range(1_300)]
    posts = ids(await read(source, position))
    assert posts == [str(n) for n in range(1_300)]
    assert await read(source, position) == []
    assert len(json.dumps(position)) < 6_000  # what is older than an hour is not remembered


async def test_what_comes_late_into_the_index_is_not_missed(
    feeds: FeedServer, ledger: Engine
) -> None:
    index = Algolia(feeds, [comment(1, age_s=10)])
    source = hackernews(ledger, index.open())
    position: dict[str, Any] = {}
    await read(source, position)
    index.hits.append(comment(2, age_s=3_000))
    assert ids(await read(source, position)) == ["2"]


@pytest.mark.parametrize("taken", [1, 100, 149])
async def test_a_reading_that_is_broken_off_goes_on_without_gap_or_double(
    feeds: FeedServer, ledger: Engine, taken: int
) -> None:
    index = Algolia(feeds, [comment(n, age_s=600 - n) for n in range(150)])
    source = hackernews(ledger, index.open())
    position: dict[str, Any] = {"keywords": {"harbour": {"until": int(time.time()) - 1_000}}}
    first: list[str] = []
    async with aclosing(source.read(EVENT, position)) as posts:
        async for post in posts:
            first += ids([post])
            if len(first) > taken:
                break
    # The last was yielded, but nobody came back for more: it may not have been taken.
    rest = ids(await read(source, json.loads(json.dumps(position))))
    assert first[:taken] + rest == [str(n) for n in range(150)]


async def test_nothing_found_and_keywords_that_are_gone(feeds: FeedServer, ledger: Engine) -> None:
    position: dict[str, Any] = {"keywords": {"gone": {"until": 7}}}
    assert await read(hackernews(ledger, Algolia(feeds).open()), position) == []
    assert list(position["keywords"]) == ["harbour"]


async def test_odd_hits_are_passed_over_and_counted(
    feeds: FeedServer, ledger: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = [comment(2) | {"objectID": "../s3cret"}, comment(3) | {"author": ["s3cret"]}]
    url = Algolia(feeds, [comment(1, "harbour \ud83d!", author="\ud83d"), *odd]).open()
    (post,) = await read(hackernews(ledger, url), {})
    assert (post.text, post.author) == ("harbour !", None)
    said = capsys.readouterr()
    assert "items=2" in said.out + said.err
    assert "s3cret" not in said.out + said.err


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_told_once_and_reading_goes_on_after_it(
    feeds: FeedServer, ledger: Engine, fault: str
) -> None:
    index = Algolia(feeds, [comment(1)])
    url = index.open().replace("//", "//me:s3cret@")
    limits = {"timeout_s": 0.3 if fault == "silent" else 1.0, "max_bytes": 200_000}
    source = hackernews(ledger, url, **limits)  # type: ignore[arg-type]
    position: dict[str, Any] = {}
    await read(source, position)
    before = copy.deepcopy(position)
    index.hits.append(comment(2))
    feeds.serve(SEARCH, FAULTS[fault])
    posts, error = await read_until_fault(source, position)
    assert posts == []
    assert str(error).startswith(f"hackernews: {feeds.base.removeprefix('http://')} ")
    assert "BAROMETER_HACKERNEWS_URL" in str(error)
    assert "s3cret" not in str(error) + json.dumps(position)
    assert (error.until is not None) is ("429" in fault or "Retry-After" in fault)
    assert position == before
    index.open()
    assert ids(await read(source, position)) == ["2"]


async def test_an_answer_over_the_bound_is_refused(feeds: FeedServer, ledger: Engine) -> None:
    url = Algolia(feeds, [comment(1, "harbour " * 20_000)]).open()
    _, error = await read_until_fault(hackernews(ledger, url, max_bytes=100_000), {})
    assert "is larger than 100000 bytes (BAROMETER_SOURCE_MAX_BYTES)" in str(error)


async def test_it_asks_no_more_than_is_allowed(feeds: FeedServer, ledger: Engine) -> None:
    url = Algolia(feeds, [comment(1)]).open()
    position: dict[str, Any] = {}
    await read(hackernews(ledger, url, most=2), position)
    await read(hackernews(ledger, url, most=2), position)
    _, error = await read_until_fault(hackernews(ledger, url, most=2), position)
    assert len(feeds.requests) == 2
    assert error.until is not None
    assert error.until > datetime.now(UTC) + timedelta(minutes=59)


async def test_a_search_on_demand_gives_the_newest(feeds: FeedServer, ledger: Engine) -> None:
    hits = [comment(n, age_s=n) for n in range(30)] + [comment(99, "harbours", age_s=0)]
    source = hackernews(ledger, Algolia(feeds, hits).open())
    assert ids(await source.search("harbour", 5)) == ["0", "1", "2", "3"]
    assert ids(await source.search("nowhere", 5)) == []
    assert [request.query["hitsPerPage"] for request in feeds.requests] == [["5"], ["5"]]


async def test_a_search_is_one_attempt_and_nobody_waits_long(
    feeds: FeedServer, ledger: Engine
) -> None:
    url = Algolia(feeds).open()
    feeds.serve(SEARCH, status(500), silent)
    with pytest.raises(SourceError, match="answered 500"):
        await hackernews(ledger, url).search("harbour", 5)
    assert len(feeds.requests) == 1
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"did not answer in full within 0\.3 s"):
        await hackernews(ledger, url, timeout_s=0.3).search("harbour", 5)
    assert time.monotonic() - started < 1.3


async def test_a_pause_that_was_asked_for_is_kept(feeds: FeedServer, ledger: Engine) -> None:
    source = hackernews(ledger, Algolia(feeds).open())
    feeds.serve(SEARCH, status(429, Retry_After="60"))
    with pytest.raises(SourceError, match="answered 429"):
        await source.search("harbour", 5)
    with pytest.raises(SourceError, match="asked to be left alone until"):
        await source.search("boats", 5)
    assert len(feeds.requests) == 1


async def test_the_settings_make_it_and_it_is_searched_on_demand(
    feeds: FeedServer, ledger: Engine
) -> None:
    url = Algolia(feeds, [comment(1)]).open()
    settings = Settings(
        database_url=str(ledger.url), hackernews_url=url + "/", news_search_url="off"
    )
    source = kind_of("hackernews").open_polled(settings)
    assert ids(await read(source, {})) == ["1"]
    (searched,) = searchable(settings)
    assert ids(await searched.search("harbour", 5)) == ["1"]
    assert searchable(Settings(hackernews_url="off", news_search_url="off")) == []
