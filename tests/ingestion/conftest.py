import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Self

import pytest
import pytest_asyncio
from sqlalchemy import Engine

from barometer.database import engine_for
from barometer.tables import AllowanceRow
from tests.ingestion.feed_server import FeedServer, feed_server
from tests.ingestion.jetstream_server import JetstreamServer, jetstream_server


@pytest.fixture
def feeds(monkeypatch: pytest.MonkeyPatch) -> Iterator[FeedServer]:
    """A feed server of its own for each test, reached without any proxy of this machine."""
    without_proxies(monkeypatch)
    with feed_server() as server:
        yield server


@pytest.fixture
def ledger(tmp_path: Path) -> Engine:
    """Where it is counted what a provider was asked, beside the events and where sources stand."""
    engine = engine_for(f"sqlite:///{tmp_path / 'ledger.db'}")
    tables = AllowanceRow.metadata.tables
    kept = ("allowances", "events", "source_states")
    AllowanceRow.metadata.create_all(engine, [tables[name] for name in kept])
    return engine


@pytest_asyncio.fixture
async def jetstream(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[JetstreamServer]:
    """A Jetstream server of its own for each test, reached without any proxy of this machine."""
    without_proxies(monkeypatch)
    async with jetstream_server() as server:
        yield server


def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Peak:
    """The most memory that Python held within a `with`, beyond what it held before."""

    megabytes: float

    def __enter__(self) -> Self:
        tracemalloc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.megabytes = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()


@pytest.fixture
def peak() -> Peak:
    return Peak()
