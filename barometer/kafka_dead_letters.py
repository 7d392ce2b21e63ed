"""Dead letters in Kafka: a compacted topic, a record a letter, an empty record where one is gone.

A letter's key follows from the entry that it was: who buries an entry twice has buried it once.
What a call does in two steps it does in the order that loses nothing, and does no harm when it
breaks off in between and is repeated: a post that comes twice is stored once.
"""

import time
from collections.abc import Iterator
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from barometer.broker import MOST_REASON, DeadLetter, Unwanted
from barometer.kafka_client import (
    CALL_S,
    DEAD,
    GROUP,
    POSTS,
    Config,
    away,
    header,
    library_log,
    read,
)
from barometer.kafka_publisher import Headers, Publisher, Record

TOO_LARGE: Final = "MSG_SIZE_TOO_LARGE"
MOST_KEPT: Final = 900_000
"""Bytes of a post that is too large to be a letter as it is."""
STEP_S: Final = 0.1
MANY: Final = 1_000


class DeadLetters:
    """The letters. Threads may share it."""

    def __init__(self, config: Config, publisher: Publisher) -> None:
        """`config` is `client_config`."""
        self._config = config | {
            "group.id": f"{GROUP}-letters",  # asked for by the client; nothing is committed
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 100,
        }
        self._publisher = publisher

    def bury(self, message: Message, reason: str) -> None:
        """Keep an entry of the stream as a letter."""
        key = f"{message.timestamp()[1]}-{message.partition()}-{message.offset()}"
        content = message.value() or b""
        headers: Headers = [("reason", reason[:MOST_REASON]), *_events(message)]
        [refused] = self._publisher.send([Record(DEAD, content, headers, key)])
        if refused == TOO_LARGE:  # put there by somebody else: our own door lets in far less
            self._publisher.send_all([Record(DEAD, content[:MOST_KEPT], headers, key)])
        elif refused:
            raise away(refused)

    def oldest(self, count: int) -> list[DeadLetter]:
        """The oldest letters."""
        return [_letter(key, message) for key, message in self._alive()][:count]

    def revive(self, letter: DeadLetter) -> bool:
        """Append the letter's post to the stream, then delete the letter; False: it is gone."""
        message = dict(self._alive()).get(letter.id)
        if message is None:
            return False
        # An entry without content is a letter with an empty one: without any, it would be gone.
        self._publisher.send_all([Record(POSTS, message.value() or None, _events(message))])
        self._delete(letter)
        return True

    def discard(self, letter: DeadLetter) -> bool:
        """Delete the letter; False: it is gone."""
        if letter.id not in dict(self._alive()):
            return False
        self._delete(letter)
        return True

    def erase(self, unwanted: Unwanted, *, only_count: bool) -> int:
        """Delete, or only count, the letters with an unwanted post; returns how many."""
        keys = [key for key, message in self._alive() if unwanted(message.value() or b"")]
        if not only_count:
            self._publisher.send_all([Record(DEAD, None, [], key) for key in keys])
        return len(keys)

    def _delete(self, letter: DeadLetter) -> None:
        self._publisher.send_all([Record(DEAD, None, [], letter.id)])

    def _alive(self) -> list[tuple[str, Message]]:
        """Every letter by its key, the oldest first."""
        found: dict[str, Message] = {}
        for message in self._records():
            key = (message.key() or b"").decode(errors="replace")
            found.pop(key, None)
            if message.value() is not None:
                found[key] = message
        return sorted(found.items(), key=lambda item: (item[1].timestamp()[1], item[1].offset()))

    def _records(self) -> Iterator[Message]:
        """The whole topic, up to where it ends now."""
        consumer = Consumer(self._config, logger=library_log)
        try:
            topic = consumer.list_topics(DEAD, timeout=CALL_S).topics[DEAD]
            if topic.error is not None:
                raise away(topic.error.name())
            parts = [TopicPartition(DEAD, each, OFFSET_BEGINNING) for each in topic.partitions]
            spans = {p.partition: consumer.get_watermark_offsets(p, CALL_S) for p in parts}
            unread = {each: end for each, (first, end) in spans.items() if first < end}
            consumer.assign(parts)
            patience = time.monotonic() + CALL_S
            while unread:
                for message in read(consumer, MANY, STEP_S):
                    patience = time.monotonic() + CALL_S
                    error, partition = message.error(), message.partition() or 0
                    if error is None:
                        yield message
                    elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                        raise away(error.name())
                    # The end, unless the last offsets hold no record: then it is told.
                    if error is not None or (message.offset() or 0) + 1 >= unread.get(partition, 0):
                        unread.pop(partition, None)
                if time.monotonic() > patience:
                    raise away("_TIMED_OUT")
        finally:
            consumer.close()


def _letter(key: str, message: Message) -> DeadLetter:
    reason = header(message, "reason") or b""
    content = message.value() or b""
    return DeadLetter(
        key, reason.decode(errors="replace"), content.decode(errors="backslashreplace")
    )


def _events(message: Message) -> Headers:
    events = header(message, "events")
    return [] if events is None else [("events", events)]
