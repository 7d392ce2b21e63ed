import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.ingestion.feed_server import FeedServer, feed_server


@pytest.fixture
def feeds(monkeypatch: pytest.MonkeyPatch) -> Iterator[FeedServer]:
    """A feed server of its own for each test, reached without any proxy of this machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with feed_server() as server:
        yield server


@pytest.fixture
def peak_mb() -> Callable[[], AbstractContextManager[Callable[[], float]]]:
    """Measures the most memory (MB) that Python held beyond what it held before."""

    @contextmanager
    def measured() -> Iterator[Callable[[], float]]:
        tracemalloc.start()
        try:
            yield lambda: tracemalloc.get_traced_memory()[1] / 1e6
        finally:
            tracemalloc.stop()

    return measured
