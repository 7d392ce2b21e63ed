"""A service of its own for tests that write what a shared machine must not see."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from barometer.database import database_url, engine_for
from barometer.store import store
from tests.conftest import judgement, post
from tests.serving.service import Service, running_service

STORED = 450
"""More than two pages of the client."""


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
