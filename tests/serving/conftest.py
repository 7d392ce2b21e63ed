"""A filled registry, and a service of its own for tests that write what others must not see."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient
from redis import Redis

from barometer.database import database_url, engine_for
from barometer.settings import Settings
from barometer.store import store
from barometer.tracking import mlflow_client
from serving.parts import Parts, open_parts
from tests.conftest import judgement, post
from tests.serving.registered import copy_of, fill_registry
from tests.serving.stand_alone import Service, running_service

STORED = 450
"""More than two pages of the client."""


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return fill_registry(tmp_path_factory.mktemp("registry") / "state")


@pytest.fixture
def registry(filled: Settings, tmp_path: Path) -> Settings:
    """Versions 1 (champion) to 5, as `tests.serving.registered` tells; free to be changed."""
    return copy_of(filled, tmp_path / "state")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Without keys; posts about a ferry are stored."""
    with running_service(tmp_path_factory.mktemp("service")) as running:
        now = datetime.now(UTC)
        posts = [
            post(n, f"i love ferry {n}", created_at=now - timedelta(seconds=n // 3))
            for n in range(STORED)
        ]
        engine = engine_for(database_url(running.settings))
        store(engine, [(each, judgement()) for each in posts])
        yield running


@pytest.fixture
def parts(registry: Settings, redis_url: str, redis: Redis) -> Parts:
    return open_parts(registry.model_copy(update={"redis_url": redis_url}))


@pytest.fixture
def client(registry: Settings) -> MlflowClient:
    return mlflow_client(registry)
