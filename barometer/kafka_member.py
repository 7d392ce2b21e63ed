"""One worker in the scorers' group: reads, hands out, settles, commits.

A worker that is silent for `STREAM_CLAIM_AFTER_S` leaves the group, and what it held goes to
others. A dead one is missed sooner, since the library itself speaks for a living one. A commit
waits for an absent coordinator no longer than others wait for a dead worker.
"""

import atexit
import time
from collections.abc import Iterable, Sequence
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from barometer.broker import Entry
from barometer.kafka_client import GROUP, POSTS, Config, away, library_log, read
from barometer.kafka_holdings import Holdings, place_of
from barometer.kafka_offsets import Offsets

log = structlog.get_logger()
DEAD_AFTER_S: Final = 10.0
JOIN_S: Final = 4.0
"""A new worker waits so long for its partitions; brokers wait 3 s for further workers first."""
FETCH_S: Final = 2.0
"""Seconds to wait for entries that are there and have not come yet."""
STEP_S: Final = 0.05
REARRANGED: Final = (
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
)


class Member:
    """A consumer with what it holds. One thread uses it."""

    def __init__(self, config: Config, offsets: Offsets, silent_s: float) -> None:
        """`config` is `client_config`; `silent_s` is how long a worker may say nothing."""
        self.oldest_s: float | None = None
        """When the oldest entry of the last `receive` was published, in seconds since 1970."""
        self._offsets = offsets
        self._holdings = Holdings()
        self._assigned: set[int] = set()
        self._uncommitted: set[int] = set()
        self._read: list[Message] = []
        self._join_by = time.monotonic() + JOIN_S
        dead_ms = int(min(silent_s, DEAD_AFTER_S) * 1000)
        own = {
            "group.id": GROUP,
            "session.timeout.ms": dead_ms,
            "heartbeat.interval.ms": max(1, min(3_000, dead_ms // 4)),
            "max.poll.interval.ms": int(silent_s * 1000),
            "partition.assignment.strategy": "cooperative-sticky",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 100,  # a broker may answer nothing else while a fetch waits
            "queued.max.messages.kbytes": 8_192,  # so little is read ahead,
            "fetch.queue.backoff.ms": 20,  # and so soon more
        }
        self._consumer = Consumer(config | own, logger=library_log)
        self._consumer.subscribe(
            [POSTS], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose
        )
        # As garbage, instead of closed, a consumer that lost its partitions blocks for ever.
        atexit.register(self._consumer.close)

    def receive(self, count: int, block_s: float) -> list[Entry]:
        """At most `count` entries; what was handed out before and not settled comes first.

        An entry's count is committed before the entry is handed out, so that it outlives a worker
        that the entry takes down.
        """
        self._commit(())
        self._gather(count, block_s)
        places = self._holdings.next(count)
        self._holdings.count(places, 1)
        counted = False
        try:
            counted = self._commit(partition for partition, _ in places)
        finally:
            if not counted:
                self._holdings.count(places, -1)
        if not counted:
            return []
        times = (self._holdings.ledgers[p].held[o].timestamp()[1] / 1000 for p, o in places)
        self.oldest_s = min(times, default=None)
        return [self._holdings.entry(place) for place in places]

    def settle(self, entries: Sequence[Entry]) -> None:
        """Commit that these are done with."""
        places = self._holdings.owned(entries)
        for partition, offset in places:
            self._holdings.ledgers[partition].settle(offset)
        self._commit(partition for partition, _ in places)

    def hold(self, entries: Sequence[Entry]) -> None:
        """Let this delivery not count."""
        places = self._holdings.owned(entries)
        self._holdings.count(places, -1)
        self._commit(partition for partition, _ in places)

    def held(self, entry: Entry) -> Message | None:
        """What was read as this entry, where it is held here and not settled."""
        return self._holdings.message(place_of(entry))

    def close(self) -> None:
        """Leave the group: what is held goes to others."""
        self._consumer.close()
        atexit.unregister(self._consumer.close)

    def _gather(self, count: int, block_s: float) -> None:
        """Read until `count` are held, or all that is there, or time is up."""
        until = time.monotonic() + block_s
        wait = 0.0 if self._holdings.handed_out() else block_s
        while True:
            self._fetch(max(1, count - self._holdings.size()), wait)
            holding = self._holdings.size()
            if holding >= count or self._holdings.handed_out() or self._is_over(holding, until):
                return
            wait = STEP_S if holding else max(STEP_S, until - time.monotonic())

    def _is_over(self, holding: int, until: float) -> bool:
        now = time.monotonic()
        if not self._holdings.ledgers:
            return now > max(until, self._join_by)
        if not holding and now < until:
            return False
        return now > until + FETCH_S or self._has_all()

    def _has_all(self) -> bool:
        ledgers = self._holdings.ledgers
        return all(self._offsets.span(each)[1] <= ledgers[each].next for each in ledgers)

    def _fetch(self, most: int, wait_s: float) -> None:
        """Read what comes within `wait_s`; this also tells the brokers that the worker lives."""
        found = read(self._consumer, most, wait_s)
        self._read += [message for message in found if message.error() is None]
        new = self._assigned - self._holdings.ledgers.keys()
        self._holdings.ledgers |= self._offsets.ledgers(new)
        self._holdings.take(self._read)
        self._read.clear()
        for error in filter(None, (message.error() for message in found)):
            if error.code() != KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001 - its public name
                raise away(error.name())
            log.warning("silent for too long: what this scorer held goes to others")

    def _commit(self, partitions: Iterable[int]) -> bool:
        """Commit these partitions and what is left from before.

        False: the group is sharing out its partitions anew. What stays here is committed the next
        time; what goes elsewhere comes again there.
        """
        self._uncommitted |= set(partitions)
        ledgers = self._holdings.ledgers
        commits = [(each, *ledgers[each].commit()) for each in sorted(self._uncommitted)]
        if not commits:
            return True
        offsets = [TopicPartition(POSTS, *commit) for commit in commits]
        try:
            done = self._consumer.commit(offsets=offsets, asynchronous=False)
            errors = [each.error for each in done if each.error is not None]
        except KafkaException as failure:
            errors = [failure.args[0]]
        for error in errors:
            if error.code() not in REARRANGED:
                raise KafkaException(error)
            log.info("the scorers' group is rearranged", reason=error.name())
        if not errors:
            self._uncommitted.clear()
        return not errors

    def _assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned |= {each.partition for each in partitions}

    def _revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The last moment to say what an earlier commit did not."""
        try:
            self._commit(())
        except KafkaException as error:
            log.warning("what was stored comes again", reason=error.args[0].name())
        self._lose(consumer, partitions)

    def _lose(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        gone = {each.partition for each in partitions}
        self._assigned -= gone
        self._uncommitted -= gone
        for partition in gone:
            self._holdings.ledgers.pop(partition, None)
