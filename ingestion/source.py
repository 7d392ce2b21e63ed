"""What a source of posts is."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final, Protocol

from barometer.events import Event
from barometer.posts import Post

Position = dict[str, Any]
"""What a source needs to go on where it stopped (entity tags, cursors, ids): plain JSON."""

REFUSED: Final = "refused"
"""Where a position counts what a source could make no post of, such as a torn row of a file."""

Events = Callable[[], Sequence[Event]]
"""The events that ask for a source, as they stand now."""


class Source(Protocol):
    """A place that is asked for posts from time to time."""

    @property
    def name(self) -> str:
        """The source's short name, as in `sources` of an event."""
        ...

    def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        """Yield the posts about `event` that are newer than `position`, and end.

        Advances `position` in place, but only past posts that were yielded and asked beyond: the
        caller saves it after the stream has taken them, so a crash repeats posts and loses none.

        Raises:
            SourceError: the outside world answered with a fault; what was yielded stays valid.
        """
        ...


class LiveSource(Protocol):
    """A place that sends posts as they are written, over one connection for all events."""

    @property
    def name(self) -> str:
        """The source's short name, as in `sources` of an event."""
        ...

    def follow(self, events: Events, position: Position) -> AsyncGenerator[Post, None]:
        """Yield posts that mention one of `events` from `position` on, and do not end.

        `position` is advanced as `Source.read` does; it may move past posts that were passed over,
        too. `events` is asked again from time to time: somebody may track another one.

        Raises:
            SourceError: the connection failed; the caller waits and calls again.
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
