"""What carries posts from ingestion to the scorers: at-least-once, with dead letters.

One protocol, whatever the broker. A post that `publish` has taken is delivered until somebody who
has stored it acknowledges it, or buries it with a reason. `barometer.brokers` opens the one that
the settings name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from barometer.authors import Authors
from barometer.posts import Post

TOGETHER: Final = 2
"""Deliveries that an entry gets in company; from the next on it comes alone."""
MOST_REASON: Final = 500
"""Characters of a dead letter's reason."""


@dataclass(frozen=True)
class Entry:
    """One delivered post."""

    id: str
    post: Post | None
    """None: what was delivered cannot be read as a post."""
    fault: str
    """Why it cannot be read, without its content; empty where it can."""
    deliveries: int
    """How often it has been delivered and neither acknowledged nor held, this time included."""


@dataclass(frozen=True)
class DeadLetter:
    """One buried entry."""

    id: str
    reason: str
    post: str
    """The post's JSON for a person to read; what is no text in it is escaped."""


Unwanted = Callable[[bytes], bool]
"""Says of a post's JSON, which may be unreadable, whether it is to be deleted."""


@dataclass(frozen=True)
class Erased:
    """What `Broker.erase` deleted, or would."""

    entries: int | None
    """Entries of the stream; None: this broker deletes none but by their age."""
    letters: int
    """Dead letters."""


class Broker(Protocol):
    """A stream of posts that one group of scorers shares.

    Every method may raise `BrokerError`: the broker is away or takes nothing now, and the call may
    be repeated later. A call whose answer was lost may have been carried out; repeating any of them
    is harmless.
    """

    name: str
    """What it is, for people."""
    authors: Authors
    """How it keeps authors' names: every post passes it on its way in."""

    def publish(self, posts: Sequence[Post]) -> list[bool]:
        """Append what was not seen before; says for each post whether it was new.

        Authors' names go in as `authors` keeps them. A post repeats by (source, id). A known post
        that turns up for another event is new for that event.
        """

    def receive(self, consumer: str, count: int, block_ms: int) -> list[Entry]:
        """At most `count` entries for this consumer; waits up to `block_ms` for a new one.

        First what the consumer took and never settled, as it did before a restart; then what
        consumers held that have been silent too long; then what is new. What was delivered often
        comes alone, so that it raises no other entry's count when it takes its consumer down.
        """

    def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Say that these entries are stored."""

    def hold(self, consumer: str, entries: Sequence[Entry]) -> None:
        """Keep what could not be stored for no fault of its own: this delivery does not count.

        The consumer's next `receive` delivers it again; what is settled already stays so.
        """

    def bury(self, entry: Entry, reason: str) -> None:
        """Move an entry to the dead letters, in one step."""

    def dead_letters(self, count: int) -> list[DeadLetter]:
        """The oldest dead letters. They are kept until they are revived or discarded."""

    def revive(self, letter: DeadLetter) -> bool:
        """Put a dead letter back into the stream, in one step; False: somebody else was first."""

    def discard(self, letter: DeadLetter) -> bool:
        """Delete a dead letter for ever; False: somebody else was first."""

    def erase(self, unwanted: Unwanted, *, only_count: bool = False) -> Erased:
        """Delete for ever the entries, settled or not, and dead letters with an unwanted post.

        A consumer that holds one may still store it; repeating the call harms nothing.
        """

    def backlog(self) -> int:
        """Entries that nobody has acknowledged or buried yet."""

    def tidy(self) -> None:
        """Drop acknowledged entries past their retention, and consumers that are gone.

        Any number of scorers may do so at the same time.
        """

    def close(self) -> None:
        """Close the connections."""
