"""The stream in Redis: Streams with one consumer group. What must happen together is one script."""

import contextlib
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson
import structlog
from redis import Redis
from redis.exceptions import DataError, RedisError, ResponseError

from barometer.authors import Authors
from barometer.broker import MOST_REASON, TOGETHER, DeadLetter, Entry, Erased, Unwanted
from barometer.carried import packed, unpacked
from barometer.errors import BrokerError
from barometer.posts import Post
from barometer.redis_erasure import erase
from barometer.redis_scripts import script
from barometer.redis_server import in_bytes
from barometer.redis_upkeep import DEAD, GROUP, STREAM, WAITING, Upkeep
from barometer.repeats import SEEN_S, marks
from barometer.settings import Settings

log = structlog.get_logger()
CHUNK: Final = 200
"""Posts a call of the publishing script, which blocks Redis while it runs."""
REPLICAS_WAIT_MS: Final = 2_000


@contextlib.contextmanager
def _spoken() -> Iterator[None]:
    """Turn a fault of Redis, or its refusal, into the one error that callers know."""
    try:
        yield
    except DataError:
        raise  # a value that the client cannot send: a bug here, not a Redis that is away
    except RedisError as error:
        code = str(error).split(" ")[0] if isinstance(error, ResponseError) else ""
        name = code if code.isupper() else type(error).__name__
        raise BrokerError(
            f"the stream is away for a moment ({name}): try again shortly."
        ) from error


class RedisStream:
    """The posts on their way to the scorers (a `Broker`)."""

    name = "Redis"

    def __init__(self, redis: Redis, settings: Settings) -> None:
        """`redis` names the server; the connections are the stream's own, and bring bytes."""
        # The library's types leave open what decode_responses settles: bytes, never texts, since
        # one entry that is no UTF-8 would make a whole batch unreadable.
        self._redis: Any = in_bytes(redis)
        self.authors = Authors(settings)
        self._replicas = settings.redis_min_replicas
        self._silent_ms = int(settings.stream_claim_after_s * 1000)
        self._upkeep = Upkeep(self._redis, settings)
        self._adopt_from = b"0-0"
        self._adopt_at = 0.0
        self._publish = script(self._redis, "publish")
        self._acknowledge = script(self._redis, "acknowledge")
        self._hold = script(self._redis, "hold")
        self._bury = script(self._redis, "bury")
        self._revive = script(self._redis, "revive")
        self._adopt = script(self._redis, "adopt")

    @_spoken()
    def publish(self, posts: Sequence[Post]) -> list[bool]:
        """Append what was not seen before; says for each post whether it was new.

        Raises:
            BrokerError: Redis is away, or fewer replicas than `REDIS_MIN_REPLICAS` have the posts.
        """
        new: list[bool] = []
        for start in range(0, len(posts), CHUNK):
            items = [_item(self.authors.hidden(p)) for p in posts[start : start + CHUNK]]
            counts = self._publish(keys=[STREAM, WAITING], args=[orjson.dumps(items), SEEN_S])
            new += [int(count) > 0 for count in counts]
        if posts and self._replicas:
            self._wait_for_replicas()
        return new

    @_spoken()
    def receive(self, consumer: str, count: int, block_ms: int) -> list[Entry]:
        """Entries for `consumer`: its own unsettled ones, those of the silent, then new ones."""
        try:
            return self._next(consumer, count, block_ms)
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self._upkeep.make_group()
            return self._next(consumer, count, block_ms)

    @_spoken()
    def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Say that these entries are stored."""
        self._settle([entry.id for entry in entries])

    @_spoken()
    def hold(self, consumer: str, entries: Sequence[Entry]) -> None:
        """Keep entries for this consumer's next `receive`; this delivery does not count."""
        if entries:
            self._hold(keys=[STREAM], args=[GROUP, consumer, *(entry.id for entry in entries)])

    @_spoken()
    def bury(self, entry: Entry, reason: str) -> None:
        """Move an entry to the dead letters, in one step; a second time nothing happens."""
        self._bury(keys=[STREAM, DEAD, WAITING], args=[GROUP, entry.id, reason[:MOST_REASON]])

    @_spoken()
    def dead_letters(self, count: int) -> list[DeadLetter]:
        """The oldest dead letters."""
        return [
            DeadLetter(letter_id.decode(), _text(fields, b"reason"), _text(fields, b"post"))
            for letter_id, fields in self._redis.xrange(DEAD, count=count)
        ]

    @_spoken()
    def revive(self, letter: DeadLetter) -> bool:
        """Put a dead letter back into the stream, in one step."""
        return bool(self._revive(keys=[STREAM, DEAD, WAITING], args=[letter.id]))

    @_spoken()
    def discard(self, letter: DeadLetter) -> bool:
        """Delete a dead letter for ever."""
        return bool(self._redis.xdel(DEAD, letter.id))

    @_spoken()
    def erase(self, unwanted: Unwanted, *, only_count: bool = False) -> Erased:
        """Delete for ever the entries and dead letters with an unwanted post."""
        return erase(self._redis, unwanted, only_count=only_count)

    @_spoken()
    def backlog(self) -> int:
        """Entries that nobody has acknowledged or buried yet."""
        return max(0, int(self._redis.get(WAITING) or 0))

    @_spoken()
    def tidy(self) -> None:
        """Drop acknowledged entries past their retention, and consumers that are gone."""
        self._upkeep.run()

    def close(self) -> None:
        """Close the connections."""
        self._redis.connection_pool.disconnect()

    def _wait_for_replicas(self) -> None:
        # WAIT asks for the writes of its own connection. So that a repeat, which writes nothing,
        # waits too, something is written first: replicas apply all writes in one order.
        with self._redis.pipeline(transaction=False) as steps:
            steps.set(f"{STREAM}:replicated", 1)
            steps.wait(self._replicas, REPLICAS_WAIT_MS)
            _, have = steps.execute()
        if have < self._replicas:
            raise BrokerError(
                f"{have} of {self._replicas} replicas of Redis (BAROMETER_REDIS_MIN_REPLICAS) have "
                "the posts: they are kept, but send them again until enough have them."
            )

    def _next(self, consumer: str, count: int, block_ms: int) -> list[Entry]:
        entries = self._own(consumer, count)
        if not entries and time.monotonic() >= self._adopt_at:
            self._take_over(consumer, count)
            entries = self._own(consumer, count)
        if entries:
            return entries
        answer = self._redis.xreadgroup(GROUP, consumer, {STREAM: ">"}, count, block_ms)
        return [_entry(*item, deliveries=1) for _, items in answer or [] for item in items]

    def _take_over(self, consumer: str, count: int) -> None:
        self._adopt_from, gone = self._adopt(
            keys=[STREAM, WAITING],
            args=[GROUP, consumer, self._silent_ms, self._adopt_from, count],
        )
        _warn_of_deleted(gone)
        if self._adopt_from == b"0-0":  # all were seen: a while later from the first one again
            self._adopt_at = time.monotonic() + self._silent_ms / 2000

    def _own(self, consumer: str, count: int) -> list[Entry]:
        """What this consumer holds, counted as delivered once more.

        Only what is handed out is counted: an entry that takes the process down again and again
        must not bring its neighbours to the dead letters.
        """
        while held := self._redis.xpending_range(STREAM, GROUP, "-", "+", count, consumer):
            before = {each["message_id"]: each["times_delivered"] for each in held}
            fresh = itertools.takewhile(lambda times: times < TOGETHER, before.values())
            answer = self._redis.xreadgroup(
                GROUP, consumer, {STREAM: "0"}, max(1, len(list(fresh)))
            )
            items = [item for _, items in answer for item in items]
            gone = [entry_id for entry_id, fields in items if not fields]
            _warn_of_deleted(len(gone))
            self._settle(gone)
            if len(gone) < len(items):
                return [
                    _entry(entry_id, fields, deliveries=before.get(entry_id, 1) + 1)
                    for entry_id, fields in items
                    if fields
                ]
        return []

    def _settle(self, ids: Sequence[str | bytes]) -> None:
        if ids:
            self._acknowledge(keys=[STREAM, WAITING], args=[GROUP, *ids])


def _warn_of_deleted(entries: int) -> None:
    if entries:
        log.warning("entries were deleted before they were stored", entries=entries)


def _item(post: Post) -> dict[str, Any]:
    keys = [[each.event, each.key] for each in marks(post)]
    return {"post": packed(post), "events": keys}


def _entry(entry_id: bytes, fields: dict[bytes, bytes], *, deliveries: int) -> Entry:
    post, fault = unpacked(fields.get(b"post"), fields.get(b"events"))
    return Entry(entry_id.decode(), post, fault, deliveries)


def _text(fields: dict[bytes, bytes], name: bytes) -> str:
    return fields.get(name, b"").decode(errors="backslashreplace")
