"""What one worker did with one partition's entries, kept in the text that goes with a commit.

A commit names one offset, below which everything is settled, and carries a short text. The text
says of the entries from there on how often each was delivered, or that it is settled: so neither a
count nor a settled entry is forgotten when the partition goes to another worker.
"""

import itertools
import re
from typing import Final

from confluent_kafka import Message

MOST_TEXT: Final = 3_500
"""Brokers take 4,096 bytes. What is cut off comes again, uncounted: harmless."""
SETTLED: Final = -1
RUN: Final = re.compile(r"(\d{1,5})x(\d{1,5}|s)")


class Ledger:
    """One partition, from its commit on. Offsets are Kafka's."""

    def __init__(self, start: int, text: str = "") -> None:
        """`start` is the offset to read from; `text` came with its commit."""
        self.next = start
        """The offset after the last entry that was read."""
        self.held: dict[int, Message] = {}
        """Entries that were read and are not settled, the oldest first."""
        self._counts = dict(zip(itertools.count(start), counts_in(text), strict=False))

    def take(self, message: Message) -> None:
        """Hold an entry that was read, unless it is settled or held already."""
        offset = message.offset()
        assert offset is not None  # noqa: S101 - only a message that reports an error has none
        if offset < self.next:
            return
        self.next = offset + 1
        if self._counts.get(offset) != SETTLED:
            self.held[offset] = message

    def deliveries(self, offset: int) -> int:
        """How often a held entry was handed out."""
        return self._counts.get(offset, 0)

    def count(self, offset: int, change: int) -> None:
        """Change how often a held entry was handed out; what is settled meanwhile stays so."""
        if offset in self.held:
            self._counts[offset] = max(0, self.deliveries(offset) + change)

    def settle(self, offset: int) -> None:
        """Nobody needs to deliver this entry again."""
        if self.held.pop(offset, None) is not None:
            self._counts[offset] = SETTLED

    def commit(self) -> tuple[int, str]:
        """The offset to commit, which is the first one that is not settled, and its text."""
        bound = next(iter(self.held), self.next)
        self._counts = {o: n for o, n in self._counts.items() if o >= bound}
        known = map(self._known, range(bound, max(self._counts, default=bound - 1) + 1))
        runs = [
            f"{len(list(run))}x{'s' if count == SETTLED else count}"
            for count, run in itertools.groupby(known)
        ]
        while len(" ".join(runs)) > MOST_TEXT:
            runs = runs[: len(runs) * 3 // 4]
        return bound, " ".join(runs)

    def _known(self, offset: int) -> int:
        holds_nothing = offset < self.next and offset not in self.held
        return SETTLED if holds_nothing else self._counts.get(offset, 0)


def counts_in(text: str | None) -> list[int]:
    """How often each entry from a commit's offset on was delivered, or `SETTLED`."""
    counts: list[int] = []
    for word in (text or "").split():
        run = RUN.fullmatch(word)
        if run is None:  # somebody else's text
            return []
        counts += [SETTLED if run[2] == "s" else int(run[2])] * int(run[1])
    return counts
