"""The two topics of the stream in Kafka, made where they are missing."""

from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from barometer.errors import BrokerError
from barometer.kafka_client import CALL_S, DEAD, POSTS, Config, library_log

log = structlog.get_logger()
PARTITIONS: Final = 12
"""At most so many scorers share the work; whoever needs more adds partitions to the topic."""
BROKERS_CHOICE: Final = -1
"""The replication factor that the brokers are set to."""


class Topics:
    """Sees to it once that the topics are there; threads may share it, and do so twice."""

    def __init__(self, config: Config, keep_days: float) -> None:
        """`config` is `client_config`; `keep_days` is `STREAM_KEEP_DAYS`."""
        self._config = config
        self._keep_ms = int(keep_days * 24 * 3_600_000)
        self._there = False

    def ensure(self) -> None:
        """Make what is missing.

        Raises:
            BrokerError: a topic is missing and cannot be made.
            KafkaException: the brokers do not answer.
        """
        if not self._there:
            self._make_missing()
            self._there = True

    def _make_missing(self) -> None:
        admin = AdminClient(self._config, logger=library_log)
        there = admin.list_topics(timeout=CALL_S).topics
        missing = [topic for topic in self._topics() if topic.topic not in there]
        if not missing:
            return
        made = admin.create_topics(missing, request_timeout=CALL_S, operation_timeout=CALL_S)
        for name, answer in made.items():
            try:
                answer.result(2 * CALL_S)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:  # another was first
                    continue
                raise BrokerError(
                    f"Kafka has no topic {name} and did not make it ({error.args[0].name()}): make "
                    "it, or let this user make topics."
                ) from error
            log.info("a topic was made", topic=name)

    def _topics(self) -> list[NewTopic]:
        posts = {"cleanup.policy": "delete", "retention.ms": str(self._keep_ms)}
        return [
            NewTopic(POSTS, PARTITIONS, BROKERS_CHOICE, config=posts),
            NewTopic(DEAD, 1, BROKERS_CHOICE, config={"cleanup.policy": "compact"}),
        ]
