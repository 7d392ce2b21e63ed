"""Records on their way into Kafka: sent together, and waited for until every one is answered."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from barometer.kafka_client import CALL_S, Config, away, library_log

STEP_S: Final = 0.01
TOGETHER: Final = 1_000
"""Records that are on their way at a time."""
LARGEST: Final = 2_000_000
"""Bytes of a record. What the door lets in is far smaller, and brokers take 1 MiB by default."""

DeliveryCallback = Callable[[KafkaError | None, Message], None]
Headers = list[tuple[str, str | bytes | None]]


@dataclass(frozen=True)
class Record:
    """One record to send."""

    topic: str
    value: bytes | None
    """None deletes, in a compacted topic, what has the same key."""
    headers: Headers
    key: str | None = None


class Publisher:
    """Sends records; one counts as sent once all replicas in step have it. Threads may share it."""

    def __init__(self, config: Config) -> None:
        """`config` is `client_config`."""
        self._config = config | {
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
            "message.timeout.ms": int(CALL_S * 1000),
            "message.max.bytes": LARGEST,
        }
        self._replacing = threading.Lock()
        self._producer = Producer(self._config, logger=library_log)

    def send(self, records: Sequence[Record]) -> list[str]:
        """Send and wait; says for each record which error it met, empty where it is sent."""
        outcomes: list[str] = []
        for start in range(0, len(records), TOGETHER):
            outcomes += self._send(records[start : start + TOGETHER])
        return outcomes

    def send_all(self, records: Sequence[Record]) -> None:
        """Send and wait.

        Raises:
            BrokerError: one of them could not be sent.
        """
        if failed := [name for name in self.send(records) if name]:
            raise away(failed[0])

    def close(self) -> None:
        """Let go what is under way; the connections end with the object."""
        self._producer.flush(CALL_S)

    def _send(self, records: Sequence[Record]) -> list[str]:
        producer = self._producer
        answers: dict[int, KafkaError | None] = {}

        def answer_to(number: int) -> DeliveryCallback:
            return lambda error, _: answers.update({number: error})

        for number, record in enumerate(records):
            try:
                producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    headers=record.headers,
                    on_delivery=answer_to(number),
                )
            except KafkaException as error:
                answers[number] = error.args[0]
            except BufferError:  # others have filled the queue
                answers[number] = KafkaError(KafkaError._QUEUE_FULL)  # noqa: SLF001 - public name
        patience = time.monotonic() + 2 * CALL_S
        while len(answers) < len(records) and time.monotonic() < patience:
            producer.poll(STEP_S)
        if any(error is not None and error.fatal() for error in list(answers.values())):
            self._replace(producer)
        unanswered = KafkaError(KafkaError._MSG_TIMED_OUT)  # noqa: SLF001 - its public name
        errors = [answers.get(number, unanswered) for number in range(len(records))]
        return [error.name() if error is not None else "" for error in errors]

    def _replace(self, broken: Producer) -> None:
        """A producer whose numbering of records broke sends nothing any more."""
        with self._replacing:
            if self._producer is broken:
                self._producer = Producer(self._config, logger=library_log)
