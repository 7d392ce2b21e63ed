"""What one worker holds of its partitions, and what of it comes next."""

import itertools
from collections.abc import Iterable, Sequence

from confluent_kafka import Message

from barometer.broker import TOGETHER, Entry
from barometer.carried import unpacked
from barometer.kafka_client import header
from barometer.kafka_ledger import Ledger

Place = tuple[int, int]
"""Partition and offset of an entry."""


class Holdings:
    """The ledgers of a worker's partitions."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.ledgers: dict[int, Ledger] = {}

    def take(self, messages: Iterable[Message]) -> None:
        """Hold what was read; what is of a partition that went is another's."""
        for message in messages:
            ledger = self.ledgers.get(message.partition() or 0)
            if ledger is not None:
                ledger.take(message)

    def next(self, count: int) -> list[Place]:
        """What to hand out: what was handed out before, few times together, or else what is new."""
        again = self.handed_out()
        if not again:
            return self._places()[:count]
        few = itertools.takewhile(lambda place: self.deliveries(place) < TOGETHER, again)
        return again[: max(1, min(count, len(list(few))))]

    def handed_out(self) -> list[Place]:
        """What was handed out and is not settled."""
        return [place for place in self._places() if self.deliveries(place)]

    def size(self) -> int:
        """Entries that are held."""
        return sum(len(ledger.held) for ledger in self.ledgers.values())

    def deliveries(self, place: Place) -> int:
        """How often a held entry was handed out."""
        return self.ledgers[place[0]].deliveries(place[1])

    def count(self, places: Iterable[Place], change: int) -> None:
        """Change how often entries were handed out."""
        for partition, offset in places:
            self.ledgers[partition].count(offset, change)

    def owned(self, entries: Sequence[Entry]) -> list[Place]:
        """Where these entries are, as far as their partitions are this worker's."""
        places = (place_of(entry) for entry in entries)
        return [place for place in places if place[0] in self.ledgers]

    def message(self, place: Place) -> Message | None:
        """What was read there, if it is held."""
        ledger = self.ledgers.get(place[0])
        return ledger.held.get(place[1]) if ledger else None

    def entry(self, place: Place) -> Entry:
        """A held entry as scorers know it."""
        message = self.ledgers[place[0]].held[place[1]]
        post, fault = unpacked(message.value(), header(message, "events"))
        return Entry(f"{place[0]}-{place[1]}", post, fault, self.deliveries(place))

    def _places(self) -> list[Place]:
        return [(each, offset) for each, ledger in self.ledgers.items() for offset in ledger.held]


def place_of(entry: Entry) -> Place:
    """Where an entry is, by its id."""
    partition, _, offset = entry.id.partition("-")
    return int(partition), int(offset)
