"""The news source against a server that answers as newsapi.org's free plan does."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from barometer.back_pressure import Pressure
from barometer.broker import Broker
from barometer.errors import SettingsError, SourceError
from barometer.events import Event, track
from barometer.posts import Post
from barometer.settings import Settings
from ingestion.intake import Intake
from ingestion.newsapi.search import NewsSource
from ingestion.reading import read_source
from tests.ingestion.api_faults import FAULTS
from tests.ingestion.feed_server import FeedServer, status
from tests.ingestion.news_api import KEY, NOON, NewsApi, article

EVENT = Event(slug="vote", title="Vote", keywords=("harbour vote", "ferry"), sources=("news",))
MINUTE = timedelta(minutes=1)


@pytest.fixture
def api(feeds: FeedServer) -> NewsApi:
    return NewsApi(feeds)


def source(api: NewsApi, ledger: Engine, daily_requests: int = 100, **more: Any) -> NewsSource:
    bounds = {"timeout_s": 2.0, "max_bytes": 200_000, "api_key": KEY}
    return NewsSource(
        engine=ledger, base_url=api.base, daily_requests=daily_requests, **bounds | more
    )


async def read(
    source: NewsSource, position: dict[str, Any] | None = None, event: Event = EVENT
) -> list[Post]:
    """One turn, with nothing left of the last turn's pause."""
    position = {} if position is None else position
    position.pop("next", None)
    return [post async for post in source.read(event, position)]


def numbers(posts: list[Post]) -> list[int]:
    return [int((post.url or "").rpartition("/")[2]) for post in posts]


async def test_an_article_becomes_a_post(api: NewsApi, ledger: Engine) -> None:
    api.articles = [article(1, NOON, description="Die Fähre <b>fährt</b> wieder 🎉 &amp; alle da.")]
    [post] = await read(source(api, ledger))
    assert post.text == "Harbour vote 1. Die Fähre fährt wieder 🎉 & alle da."
    assert (post.source, post.author, post.created_at) == ("news", "Harbour Daily", NOON)
    assert (post.url, post.metadata) == ("https://daily.example/1", {"publisher": "harbour-daily"})
    assert "Ada" not in post.model_dump_json()
    [again] = await read(source(api, ledger))
    assert again.id == post.id


async def test_what_is_asked(api: NewsApi, ledger: Engine) -> None:
    await read(source(api, ledger, language="en", publishers=("bbc-news", "the-verge")))
    everything, headlines = api.server.requests
    own = {"q": ['"harbour vote" OR "ferry"'], "language": ["en"], "pageSize": ["100"]}
    own |= {"sources": ["bbc-news,the-verge"]}
    begins = everything.query.pop("from")[0]
    assert everything.query == own | {"sortBy": ["publishedAt"]}
    assert headlines.query == own
    assert headlines.path == "/v2/top-headlines"
    month = datetime.now(UTC) - datetime.fromisoformat(begins + "+00:00")
    assert timedelta(days=28) < month < timedelta(days=30)
    url, key = str(ledger.url), SecretStr(KEY)
    given = Settings(database_url=url, news_api_key=key, news_api_url=api.base, news_language="any")
    await read(NewsSource.from_settings(given))
    assert "language" not in api.server.requests[-1].query


async def test_headlines_are_read_and_nothing_comes_twice(api: NewsApi, ledger: Engine) -> None:
    api.articles = [article(1, NOON)]
    api.headlines = [article(2, NOON), article(1, NOON)]
    position: dict[str, Any] = {}
    assert numbers(await read(source(api, ledger), position)) == [1, 2]
    api.headlines.append(article(3, NOON))
    assert numbers(await read(source(api, ledger), position)) == [3]


async def test_nothing_found_is_no_fault(api: NewsApi, ledger: Engine) -> None:
    position: dict[str, Any] = {}
    assert await read(source(api, ledger), position) == []
    api.articles = [article(1, NOON)]
    assert numbers(await read(source(api, ledger), position)) == [1]


async def test_what_cannot_be_a_post_is_left_out(api: NewsApi, ledger: Engine) -> None:
    broken = [{"url": 7}, {"publishedAt": "soon"}, {"title": " ", "description": None}]
    api.articles = [article(n, NOON, **fields) for n, fields in enumerate(broken)]
    long_ago = datetime(1970, 1, 1, tzinfo=UTC)
    api.headlines = [article(8, long_ago, "[Removed]", description="[Removed]"), article(9, NOON)]
    assert numbers(await read(source(api, ledger))) == [9]


async def test_later_turns_read_all_that_is_new_page_by_page(api: NewsApi, ledger: Engine) -> None:
    api.articles = [article(n, NOON + n * MINUTE / 4) for n in range(150)]
    position: dict[str, Any] = {}
    first = await read(source(api, ledger), position)
    assert sorted(numbers(first)) == list(range(50, 150))
    api.articles += [article(n, NOON + n * MINUTE / 4) for n in range(150, 450)]
    later = await read(source(api, ledger), position)
    assert sorted(set(numbers(later)) - set(range(50))) == list(range(150, 450))
    assert len(later) == len(set(numbers(later)))
    assert await read(source(api, ledger), position) == []


async def test_many_articles_of_one_second_hold_nothing_up(api: NewsApi, ledger: Engine) -> None:
    api.articles = [article(0, NOON)]
    position: dict[str, Any] = {}
    await read(source(api, ledger), position)
    api.articles += [article(n, NOON + MINUTE) for n in range(1, 150)]
    api.articles += [article(150, NOON + MINUTE / 2)]
    assert 150 in numbers(await read(source(api, ledger), position))


async def test_an_article_that_is_listed_late_is_found(api: NewsApi, ledger: Engine) -> None:
    api.articles = [article(1, NOON)]
    position: dict[str, Any] = {}
    await read(source(api, ledger), position)
    api.articles.append(article(2, NOON - 30 * MINUTE))
    assert numbers(await read(source(api, ledger), position)) == [2]


@pytest.mark.parametrize("fault", FAULTS)
async def test_faults(
    api: NewsApi, ledger: Engine, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    api.articles = [article(1, NOON)]
    position: dict[str, Any] = {}
    await read(source(api, ledger), position)
    before = json.dumps(position)
    api.articles.append(article(2, NOON + MINUTE))
    api.server.serve("/v2/everything", FAULTS[fault])
    patient = source(api, ledger, timeout_s=0.2 if fault == "silent" else 2.0)
    with pytest.raises(SourceError, match=r"^news: the API at 127\.0\.0\.1 ") as caught:
        await read(patient, position)
    assert json.loads(before)["queries"] == position["queries"]
    pause = caught.value.until - datetime.now(UTC)  # type: ignore[operator]
    assert MINUTE < pause < timedelta(hours=2)
    assert (pause < 2.1 * MINUTE) == ("with Retry-After" in fault)
    assert KEY not in str(caught.value) + before + caplog.text
    api.works()
    assert numbers(await read(source(api, ledger), position)) == [2]


async def test_a_wrong_key_is_told_without_it(api: NewsApi, ledger: Engine) -> None:
    with pytest.raises(SourceError, match=r"answered 401; correct BAROMETER_NEWS_API_KEY") as told:
        await read(source(api, ledger, api_key="wr0ng-key"))
    assert "wr0ng" not in str(told.value)
    assert KEY not in str(told.value)


async def test_what_may_pass_is_tried_once_more(api: NewsApi, ledger: Engine) -> None:
    good = api.server.answers["/v2/everything"][0]
    api.articles = [article(1, NOON)]
    api.server.serve("/v2/everything", status(502), good)
    assert numbers(await read(source(api, ledger))) == [1]


async def test_a_redirect_is_not_followed(api: NewsApi, ledger: Engine) -> None:
    api.server.serve("/v2/everything", status(302, Location="/v2/top-headlines"))
    with pytest.raises(SourceError, match="answered 302"):
        await read(source(api, ledger))
    assert len(api.server.requests) == 1


async def test_the_day_is_shared_by_the_events(api: NewsApi, ledger: Engine) -> None:
    for slug in ("a", "b", "c"):
        track(ledger, Event(slug=slug, title=slug, keywords=(slug,), sources=("news",)))
    track(ledger, Event(slug="d", title="d", keywords=("d",), sources=("rss",)))
    position: dict[str, Any] = {}
    await read(source(api, ledger), position)
    pause = datetime.fromisoformat(position["next"]) - datetime.now(UTC)
    assert 86 * MINUTE < pause < 87 * MINUTE  # two requests of a day of 100, for three events
    assert [post async for post in source(api, ledger).read(EVENT, position)] == []
    assert len(api.server.requests) == 2


async def test_the_allowance_holds_over_a_restart(api: NewsApi, ledger: Engine) -> None:
    api.articles = [article(n, NOON) for n in range(1)]
    await read(source(api, ledger, daily_requests=3))
    with pytest.raises(SourceError, match=r"^news: the 3 requests that it allows") as caught:
        await read(source(api, ledger, daily_requests=3))
    assert len(api.server.requests) == 3
    wait = caught.value.until - datetime.now(UTC)  # type: ignore[operator]
    assert timedelta(hours=23) < wait < timedelta(hours=25)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_restart_in_the_middle_leaves_no_gap(
    api: NewsApi, broker: Broker, engine: Engine
) -> None:
    track(engine, EVENT)
    api.articles = [article(0, NOON)]

    async def reading(requests: int) -> str | None:
        intake = Intake(broker, Pressure(broker, 10_000), engine)
        own = source(api, engine, daily_requests=requests)
        return (await read_source(own, EVENT, intake)).error

    assert await reading(10**9) is None
    api.articles += [article(n, NOON + n * MINUTE) for n in range(1, 250)]
    assert "are used up" in str(await reading(3))  # in the middle: one page of three is read
    api.articles += [article(n, NOON + n * MINUTE) for n in range(250, 300)]
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE source_states SET limited_until = NULL")
    for _ in range(2):  # first what was open, then what is new
        assert await reading(10**9) is None
    found = [e.post for e in broker.receive("t", 1_000, block_ms=10) if e.post is not None]
    assert sorted(numbers(found)) == list(range(300))


def test_settings_are_checked(api: NewsApi, ledger: Engine) -> None:
    with pytest.raises(SettingsError, match="BAROMETER_NEWS_LANGUAGE"):
        source(api, ledger, language="klingon")
    with pytest.raises(SettingsError, match="BAROMETER_NEWS_SOURCES"):
        source(api, ledger, publishers=["one"] * 21)
