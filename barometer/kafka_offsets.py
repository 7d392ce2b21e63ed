"""Where the posts' partitions begin and end, and how far the group has come in them."""

from collections.abc import Iterable

import structlog
from confluent_kafka import Consumer, TopicPartition

from barometer.kafka_client import CALL_S, GROUP, POSTS, Config, away, library_log
from barometer.kafka_ledger import SETTLED, Ledger, counts_in

log = structlog.get_logger()


class Offsets:
    """Asks for the posts' offsets, as no member of the group; threads may share it.

    It goes through a consumer that consumes nothing: the library's admin client aborts the whole
    process where a coordinator goes away under such a question.
    """

    def __init__(self, config: Config) -> None:
        """`config` is `client_config`."""
        own = {"group.id": GROUP, "enable.auto.commit": False}
        self._consumer = Consumer(config | own, logger=library_log)

    def backlog(self) -> int:
        """Entries that are not settled."""
        waiting = 0
        for partition, (offset, text) in self._committed(self._partitions()).items():
            first, end = self.span(partition)
            settled = sum(
                count == SETTLED and number >= first
                for number, count in enumerate(counts_in(text), offset)
            )
            waiting += max(0, end - max(first, offset) - settled)
        return waiting

    def ledgers(self, partitions: Iterable[int]) -> dict[int, Ledger]:
        """What the group did with these partitions, for the worker that goes on with them."""
        found = {}
        for partition, (offset, text) in self._committed(partitions).items():
            first, end = self.span(partition)
            if 0 <= offset < first:
                log.error(
                    "Kafka deleted posts before they were stored: keep them longer there",
                    partition=partition,
                    posts=first - offset,
                )
            known = (
                first <= offset <= end
            )  # else the group has not begun, or the topic is a new one
            found[partition] = Ledger(offset, text) if known else Ledger(first)
        return found

    def span(self, partition: int) -> tuple[int, int]:
        """The first offset that a partition holds, and the one after its last."""
        asked = TopicPartition(POSTS, partition)
        return self._consumer.get_watermark_offsets(asked, timeout=CALL_S)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def _committed(self, partitions: Iterable[int]) -> dict[int, tuple[int, str]]:
        """The first offset of each that is not settled (-1: none is), and the commit's text."""
        asked = [TopicPartition(POSTS, partition) for partition in partitions]
        found = self._consumer.committed(asked, timeout=CALL_S) if asked else []
        for each in found:
            if each.error is not None:
                raise away(each.error.name())
        return {each.partition: (max(each.offset, -1), each.metadata or "") for each in found}

    def _partitions(self) -> list[int]:
        self._consumer.poll(0)  # lets the library say what it has to say
        topic = self._consumer.list_topics(POSTS, timeout=CALL_S).topics[POSTS]
        if topic.error is not None:
            raise away(topic.error.name())
        return list(topic.partitions)
