"""The offline pipeline: the same sources, read into Parquet files for later training.

Beside the stream, with positions of its own, so that neither takes a post away from the other.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Engine

from barometer.authors import Authors
from barometer.forgotten import forgotten_among
from barometer.posts import Post
from barometer.source_states import Taken, limited_until
from ingestion.intake import Reading, Taking
from ingestion.offline.index import CollectionIndex
from ingestion.source import Position

TOGETHER: Final = 10_000
"""Posts that are in memory before they are written, about 20 MB."""


class Collecting(Taking):
    """Takes the posts of one reading into the collection in `folder`."""

    def __init__(self, folder: Path, engine: Engine, authors: Authors) -> None:
        super().__init__(engine, authors)
        self._index = CollectionIndex(folder)
        self._folder = folder
        self._waiting: list[Post] = []
        self._seen: set[bytes] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._index.close()

    @property
    def is_full(self) -> bool:
        """Whether so much waits that it is to be written."""
        return len(self._waiting) >= TOGETHER

    def position_of(self, source: str, event: str) -> Position:
        """How far `source` was read for `event` into the collection."""
        return self._index.position_of(source, event)[0]

    def limited_until(self, source: str, event: str) -> datetime | None:
        """When the source may be asked again: what it told the stream's readings counts as well."""
        own = self._index.position_of(source, event)[1]
        told = [own, limited_until(self.engine, source, event)]
        return max((t for t in told if t and t > datetime.now(UTC)), default=None)

    async def _put(self, posts: Sequence[Post]) -> list[bool]:
        return await asyncio.to_thread(self._keep, posts)

    def _keep(self, posts: Sequence[Post]) -> list[bool]:
        posts = [self._authors.hidden(post) for post in posts]
        may = self._index.new_among(posts, self._seen)
        new = [is_new and post.may_train for post, is_new in zip(posts, may, strict=True)]
        pairs = zip(posts, new, strict=True)
        self._waiting += [post for post, is_new in pairs if is_new]
        return new

    def _save(self, reading: Reading, position: Position, taken: Taken) -> None:
        """Write what waits, then the position.

        Raises:
            StorageError: it cannot be written.
        """
        del taken  # counted by the index: another reading may have written the same meanwhile
        waited = len(self._waiting)
        written = self._index.save(
            reading.source, reading.event, self._waiting, position, reading.until, self._allowed
        )
        gone = waited - len(self._waiting)
        reading.accepted -= gone
        reading.rejected += gone
        late = len(self._waiting) - written
        reading.accepted -= late
        reading.duplicates += late
        self._waiting, self._seen = [], set()

    def _allowed(self, posts: Sequence[Post]) -> list[Post]:
        """They may have waited for long: somebody may have asked to be forgotten meanwhile."""
        gone = forgotten_among(self.engine, self._authors, posts)
        self._waiting = [post for post in posts if post.key not in gone]
        return self._waiting
