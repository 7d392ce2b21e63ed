"""A filled registry, made once, and the parts of a service that follows it."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from redis import Redis

from barometer.settings import Settings
from barometer.tracking import mlflow_client
from serving.parts import Parts, open_parts
from tests.serving.registered import copy_of, fill_registry


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return fill_registry(tmp_path_factory.mktemp("registry") / "state")


@pytest.fixture
def registry(filled: Settings, tmp_path: Path) -> Settings:
    """Versions 1 (champion) to 5, as `tests.serving.registered` tells; free to be changed."""
    return copy_of(filled, tmp_path / "state")


@pytest.fixture
def parts(registry: Settings, redis_url: str, redis: Redis) -> Parts:
    return open_parts(registry.model_copy(update={"redis_url": redis_url}))


@pytest.fixture
def client(registry: Settings) -> MlflowClient:
    return mlflow_client(registry)
