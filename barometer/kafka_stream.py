"""The stream in Kafka: one topic, one consumer group, commits after the row."""

import time
from collections.abc import Sequence
from typing import Final

import orjson
import structlog
from redis import Redis

from barometer.authors import Authors
from barometer.broker import DeadLetter, Entry, Erased, Unwanted
from barometer.carried import packed
from barometer.kafka_client import POSTS, away, client_config, spoken
from barometer.kafka_dead_letters import DeadLetters
from barometer.kafka_member import Member
from barometer.kafka_offsets import Offsets
from barometer.kafka_publisher import Publisher, Record
from barometer.kafka_topics import Topics
from barometer.posts import Post
from barometer.seen import Seen
from barometer.settings import Settings

log = structlog.get_logger()
NEAR: Final = 0.8
"""Share of the retention after which an entry that is not stored is in danger."""


class KafkaStream:
    """The posts on their way to the scorers (a `Broker`).

    What differs from Redis: work is shared by partition, so a newcomer gets its part once the
    others have received again; what a call settles that came too late comes again elsewhere; and
    burying and reviving are two steps each, which do no harm when they are repeated.
    """

    name = "Kafka"

    def __init__(self, settings: Settings, redis: Redis) -> None:
        """Asks nothing yet. `redis` names the server that keeps the marks of seen posts.

        Raises:
            SettingsError: the settings of Kafka do not go together.
        """
        self.authors = Authors(settings)
        self._config = client_config(settings)
        self._silent_s = settings.stream_claim_after_s
        self._keep_s = settings.stream_keep_days * 24 * 3600
        self._topics = Topics(self._config, settings.stream_keep_days)
        self._publisher = Publisher(self._config)
        self._offsets = Offsets(self._config)
        self._letters = DeadLetters(self._config, self._publisher)
        self._seen = Seen(redis)
        self._members: dict[str, Member] = {}

    @spoken()
    def publish(self, posts: Sequence[Post]) -> list[bool]:
        """Append what was not seen before; says for each post whether it was new.

        Raises:
            BrokerError: Kafka is away, or too few replicas are in step; those that it took are
                marked as seen.
        """
        self._topics.ensure()
        marks = self._seen.new_marks(posts)
        new = [(post, found) for post, found in zip(posts, marks, strict=True) if found]
        records = [
            Record(
                POSTS,
                packed(self.authors.hidden(post)).encode(),
                [("events", orjson.dumps([mark.event for mark in found]))],
            )
            for post, found in new
        ]
        failures = self._publisher.send(records)
        pairs = zip(new, failures, strict=True)
        self._seen.remember(mark for (_, found), failure in pairs if not failure for mark in found)
        for failure in filter(None, failures):
            raise away(failure)
        return [bool(found) for found in marks]

    @spoken()
    def receive(self, consumer: str, count: int, block_ms: int) -> list[Entry]:
        """Entries for `consumer`: those handed out before, to it or a worker that is gone, first.

        Until a new worker has its partitions, it waits some seconds, `block_ms` or not.
        """
        self._topics.ensure()
        if consumer not in self._members:
            self._members[consumer] = Member(self._config, self._offsets, self._silent_s)
        return self._members[consumer].receive(count, block_ms / 1000)

    @spoken()
    def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Say that these entries are stored; those whose partition went to another come again."""
        for member in self._members.values():
            member.settle(entries)

    @spoken()
    def hold(self, consumer: str, entries: Sequence[Entry]) -> None:
        """Keep entries for this consumer's next `receive`; this delivery does not count."""
        if member := self._members.get(consumer):
            member.hold(entries)

    @spoken()
    def bury(self, entry: Entry, reason: str) -> None:
        """Copy an entry to the dead letters, then settle it; a second time nothing happens."""
        for member in self._members.values():
            message = member.held(entry)
            if message is not None:
                self._letters.bury(message, reason)
                member.settle([entry])

    @spoken()
    def dead_letters(self, count: int) -> list[DeadLetter]:
        """The oldest dead letters."""
        self._topics.ensure()
        return self._letters.oldest(count)

    @spoken()
    def revive(self, letter: DeadLetter) -> bool:
        """Put a dead letter back into the stream; two who do so at once both may."""
        return self._letters.revive(letter)

    @spoken()
    def discard(self, letter: DeadLetter) -> bool:
        """Delete a dead letter for ever; two who do so at once both may."""
        return self._letters.discard(letter)

    @spoken()
    def erase(self, unwanted: Unwanted, *, only_count: bool = False) -> Erased:
        """Delete the dead letters with an unwanted post; entries go by their age alone."""
        self._topics.ensure()
        return Erased(None, self._letters.erase(unwanted, only_count=only_count))

    @spoken()
    def backlog(self) -> int:
        """Entries that nobody has acknowledged or buried yet."""
        self._topics.ensure()
        return self._offsets.backlog()

    def tidy(self) -> None:
        """Warn while there is time: Kafka deletes by age, whether a post is stored or not."""
        for member in self._members.values():
            age_s = time.time() - (member.oldest_s or time.time())
            if age_s > NEAR * self._keep_s:
                log.error(
                    "Kafka deletes posts soon that are not stored: start more scorers, or keep "
                    "them longer there",
                    age_h=round(age_s / 3600),
                    kept_h=round(self._keep_s / 3600),
                )

    def close(self) -> None:
        """Leave the group and close the connections."""
        for member in self._members.values():
            member.close()
        self._members.clear()
        self._offsets.close()
        self._publisher.close()
