"""Fixtures that many rooms share: a clean environment, real Redis, both databases, the starter."""

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from redis import Redis
from sqlalchemy import Engine

from barometer.broker import Broker
from barometer.database import engine_for, migrate
from barometer.languages import EVERY
from barometer.posts import Judgement, Post
from barometer.redis_server import carried_binary, connect
from barometer.search import mentioning_in
from barometer.settings import REPOSITORY, Settings
from barometer.tables import PostRow
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.registry import LoadedModel
from tests.brokers import KINDS, Stream
from tests.ingestion.feed_bodies import news_search
from tests.ingestion.feed_server import Exchange, feed_server
from tests.machine import Machine, running_machine
from tests.scheduling import LONG, ByGroup, group_of
from tests.servers import NO_POSTGRES, postgres_database, redis_server
from tests.training.tiny_rows import write_rows

for name in [name for name in os.environ if name.startswith("BAROMETER_")]:
    del os.environ[name]
os.environ |= {"ORT_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}
os.environ["BAROMETER_HACKERNEWS_URL"] = "off"  # no test asks the world outside

STARTER = REPOSITORY / "models" / "starter"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state", news_search_url="off")


WITH_KAFKA = ("test_broker", "test_delivery", "test_scorer")


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The oldest Redis that a user may get: the carried one."""
    with redis_server(tmp_path_factory.mktemp("redis"), carried_binary()) as url:
        yield url


@pytest.fixture
def redis(redis_url: str) -> Redis:
    client = connect(redis_url)
    client.flushall()
    return client


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take long come first, so that no worker is left alone with them in the end.

    Kafka is tried where delivery is at stake, and with SQLite: databases know of no broker.
    """
    items[:] = [item for item in items if _is_tried(item)]
    items.sort(key=lambda item: group_of(item.path.stem) not in LONG)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each file on one worker, and files that share a server on the same."""
    return ByGroup(config, log)


def _is_tried(item: pytest.Item) -> bool:
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if params.get("stream") != "Kafka":
        return True
    return item.path.stem in WITH_KAFKA and params.get("database_url") != "postgresql"


@pytest.fixture(params=KINDS)
def stream(request: pytest.FixtureRequest) -> Iterator[Stream]:
    """An empty stream in a broker of each kind."""
    with KINDS[request.param](request) as opened:
        yield opened


@pytest.fixture
def broker(stream: Stream) -> Iterator[Broker]:
    """A client of that stream."""
    with contextlib.closing(stream.open()) as client:
        yield client


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    with postgres_database(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_url: str | None
) -> Iterator[str]:
    """An empty database of each kind, without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.db'}"
        return
    if postgres_url is None:
        pytest.skip(NO_POSTGRES)
    with engine_for(postgres_url).begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    yield postgres_url


@pytest.fixture
def engine(database_url: str) -> Engine:
    """A migrated database of each kind."""
    migrate(database_url)
    return engine_for(database_url)


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    return Classifier(open_model_folder(STARTER), threads=1)


@pytest.fixture(scope="session")
def model(classifier: Classifier) -> LoadedModel:
    return LoadedModel("7", classifier)


def post(number: object = 1, text: str = "the vote made me so happy", **fields: object) -> Post:
    return Post(
        **{
            "source": "test",
            "id": str(number),
            "text": text,
            "created_at": datetime(2026, 3, 14, 12, 0, 30, tzinfo=UTC),
            **fields,
        }
    )


def judgement(
    emotion: str = "joy", sentiment: str = "positive", confidence: float = 0.9
) -> Judgement:
    others = (1 - confidence) / 5
    emotions = dict.fromkeys(("sadness", "joy", "love", "anger", "fear", "surprise"), others)
    sentiments = {"negative": 0.1, "neutral": 0.2, "positive": 0.7}
    return Judgement(
        emotion=emotion,
        confidence=confidence,
        emotions=emotions | {emotion: confidence},
        sentiment=sentiment,
        sentiment_confidence=0.7,
        sentiments=sentiments,
        model_version="7",
    )


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One whole Barometer that the tests of a session share; none of them may break it.

    Its news search is a local server that knows stories about one topic only; its labelled rows
    are few and small.
    """
    with feed_server() as news:
        search = news.serve("/search", answer_topic) + "?q={keyword}"
        folder = tmp_path_factory.mktemp("machine")
        write_rows(folder / "rows")
        (folder / "files").mkdir()
        with running_machine(
            folder,
            BAROMETER_NEWS_SEARCH_URL=search,
            BAROMETER_FILES_DIR=str(folder / "files"),
            BAROMETER_EMOTION_DATA=str(folder / "rows" / "emotion"),
            BAROMETER_SENTIMENT_DATA=str(folder / "rows" / "sentiment"),
        ) as running:
            yield running


def answer_topic(exchange: Exchange) -> None:
    """Two stories about the topic that `barometer up` tracks by itself, none about others."""
    [keyword] = parse_qs(urlsplit(exchange.path).query)["q"]
    known = keyword == "artificial intelligence"
    stories = [("City thrilled by artificial intelligence that finds lost cats", "Cat Times"),
               ("Fear of artificial intelligence errors grows", "Harbour Daily")]  # fmt: skip
    body = news_search(keyword, stories if known else [])
    exchange.start(200, {"Content-Type": "application/rss+xml"}, len(body))
    exchange.wfile.write(body)


def posts_mentioning(engine: Engine, keyword: str, limit: int) -> list[PostRow]:
    return mentioning_in(engine, keyword, limit, EVERY)[0]
