"""What a source of posts is."""

from collections.abc import AsyncGenerator
from typing import Any, Protocol

from barometer.events import Event
from barometer.posts import Post

Position = dict[str, Any]
"""What a source needs to go on where it stopped (entity tags, cursors, ids): plain JSON."""


class Source(Protocol):
    """A place that posts come from."""

    @property
    def name(self) -> str:
        """The source's short name, as in `sources` of an event."""
        ...

    def missing_setting(self) -> str | None:
        """The setting that it cannot work without and lacks, or None when it is ready."""
        ...

    def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        """Yield the posts about `event` that are newer than `position`.

        Advances `position` in place, but only past posts that were yielded and asked beyond: the
        caller saves it after the stream has taken them, so a crash repeats posts and loses none.

        Raises:
            SourceError: the outside world answered with a fault; what was yielded stays valid.
        """
        ...


class SearchableSource(Protocol):
    """A source that can be asked for a keyword while a caller waits."""

    @property
    def name(self) -> str:
        """The source's short name."""
        ...

    async def search(self, keyword: str, limit: int) -> list[Post]:
        """The newest posts about `keyword`, at most `limit`, within a few seconds.

        Raises:
            SourceError: it did not answer in time, or with a fault.
        """
        ...
