import tracemalloc
from collections.abc import Iterator
from typing import Self

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
