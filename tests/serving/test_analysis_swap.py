"""The champion is exchanged in the registry while an analysis waits for its sources."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from mlflow import MlflowClient

from barometer.client import Client
from barometer.settings import Settings
from barometer.store import store
from serving.app import attach, create_app
from serving.parts import Parts, open_parts
from tests.conftest import judgement, post
from tests.ingestion.feed_bodies import news_search
from tests.ingestion.feed_server import Exchange, FeedServer, feed, feed_server
from tests.serving.over_http import over_http
from tests.serving.registered import name_champion

STORIES = [("I am so happy with the ferry", "Times"), ("So glad about our ferry", "Post")]


@pytest.fixture
def news() -> Iterator[FeedServer]:
    with feed_server() as server:
        yield server


@pytest.fixture
def parts(registry: Settings, redis_url: str, redis: object, news: FeedServer) -> Parts:
    changed = {"redis_url": redis_url, "news_search_url": f"{news.base}/search?q={{keyword}}"}
    return open_parts(registry.model_copy(update=changed))


@pytest.fixture
def asked(parts: Parts) -> Iterator[Client]:
    app = create_app()
    attach(app, parts)
    with over_http(app) as url, Client(url) as opened:
        yield opened


def test_analysis_is_of_the_model_that_it_began_with_and_says_so(
    asked: Client, parts: Parts, client: MlflowClient, news: FeedServer
) -> None:
    found = feed(news_search("ferry", STORIES))

    def exchange_first(exchange: Exchange) -> None:
        name_champion(client, "2")
        parts.watch.look()
        found(exchange)

    old = post(1, "a ferry of old", created_at=datetime.now(UTC))
    store(parts.engine, [(old, judgement("anger"))])
    news.serve("/search", exchange_first, found)
    first = asked.analyze("ferry")
    assert parts.models.champion.version == "2"
    assert (first.count, first.source, first.model_version) == (3, "inference", "1")
    assert first.judged_by == {"7": 1, "1": 2}  # the stored post keeps what judged it

    second = asked.analyze("ferry")
    assert (second.source, second.model_version) == ("inference", "2")  # nothing stale
    assert second.judged_by == {"7": 1, "2": 2}
    sure, less_sure = (line.avg_score for answer in (first, second) for line in answer.agg
                       if line.label == "joy")  # fmt: skip
    assert sure is not None
    assert less_sure is not None
    assert less_sure < sure - 0.1  # so that each can only be its own version's

    name_champion(client, "1")
    parts.watch.look()
    again = asked.analyze("ferry")
    assert (again.source, again.model_version, again.judged_by) == ("cache", "1", first.judged_by)
    assert again.agg == first.agg
