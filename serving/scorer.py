"""The stream scorer: read, classify, store, tell live clients, acknowledge. In that order."""

import os
import socket
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from barometer.events import tracked, with_events
from barometer.live import announce, count_scored
from barometer.metrics import POSTS_BURIED, POSTS_SCORED
from barometer.posts import Judgement, Post
from barometer.redis_server import REDIS_FAULTS
from barometer.store import Stored, store
from barometer.stream import Entry, PostStream
from serving.judge import judge
from serving.models import Models
from serving.post_json import scored_message

log = structlog.get_logger()
MOST_DELIVERIES = 5
HOPELESS_DELIVERIES = 20
CLAIM_IDLE_MS = 60_000
"""A scorer that has not acknowledged for so long is taken for dead."""
KEEP_MS = 7 * 24 * 3_600_000
TIDY_EVERY_S = 30.0
LIVE_A_BATCH = 20
"""Newest posts of a batch that live clients are shown; a backlog would flood them."""
FRESH = timedelta(minutes=2)
"""Older posts are somebody's history, not today's rate."""
HEARTBEAT = "barometer:scorer:heartbeat"
HEARTBEAT_TTL_S = 15


class Scorer:
    """One worker of the scorers' group."""

    def __init__(
        self, redis: Redis, engine: Engine, models: Models, batch: int, name: str = ""
    ) -> None:
        """Each batch is judged by the champion of its moment.

        `name` identifies this worker in the group; a restart under it drains what it held.
        """
        self._redis = redis
        self._stream = PostStream(redis)
        self._engine = engine
        self._models = models
        self._batch = batch
        self._name = name or f"{socket.gethostname()}-{os.getpid()}"
        self.stored = 0

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; a Redis or database that is away is waited for."""
        wait = 0.5
        tidied = 0.0
        while not stop.is_set():
            try:
                if not tidied:
                    self._stream.ensure_group()
                    self._drain(stop)
                if time.monotonic() - tidied > TIDY_EVERY_S:
                    self._tidy()
                    tidied = time.monotonic()
                self.work(self._stream.read(self._name, self._batch, block_ms=1_000))
                self._redis.set(HEARTBEAT, self._models.champion.version, ex=HEARTBEAT_TTL_S)
                wait = 0.5
            except (*REDIS_FAULTS, DBAPIError) as error:
                log.warning(
                    "waiting for a part to come back", part=type(error).__name__, wait_s=wait
                )
                stop.wait(wait)
                wait, tidied = min(wait * 2, 15.0), 0.0

    def work(self, entries: Sequence[Entry]) -> None:
        """Store these entries and acknowledge them; those that cannot be stored are buried.

        Raises:
            RedisError, DBAPIError: a part is away; what is not acknowledged comes again.
        """
        readable = [entry for entry in entries if entry.post is not None]
        for entry in entries:
            if entry.post is None:
                self._bury(entry, "the entry's fields cannot be read as a post")
        if not readable:
            return
        try:
            judged, stored = self._judge_and_store(readable)
        except Exception as error:
            if is_outage(error):
                raise  # nothing is acknowledged, all of it comes again
            if len(readable) == 1:
                self._bury(readable[0], reason_of(error))
                log.warning("post buried", entry=readable[0].id, reason=type(error).__name__)
                return
            # One poison post must not take its batch along: halve until it stands alone.
            middle = len(readable) // 2
            self.work(readable[:middle])
            self.work(readable[middle:])
            return
        self.stored += len(stored.new_posts)
        POSTS_SCORED.inc(len(stored.new_posts))
        self._tell([pair for pair in judged if (pair[0].source, pair[0].id) in stored.new_posts])
        self._stream.acknowledge([entry.id for entry in readable])

    def _bury(self, entry: Entry, reason: str) -> None:
        self._stream.bury(entry, reason)
        POSTS_BURIED.inc()

    def _judge_and_store(
        self, entries: Sequence[Entry]
    ) -> tuple[list[tuple[Post, Judgement]], Stored]:
        # An event may have come up while the posts were under way: match them once more.
        events = tracked(self._engine)
        posts = [with_events(entry.post, events) for entry in entries if entry.post is not None]
        # One model for the whole batch, whatever is exchanged meanwhile.
        model = self._models.champion
        judged = list(zip(posts, judge(model, [p.text for p in posts]), strict=True))
        return judged, store(self._engine, judged)

    def _tell(self, judged: Sequence[tuple[Post, Judgement]]) -> None:
        """Show the newest to live clients; what they miss is stored all the same."""
        newest = sorted(judged, key=lambda pair: pair[0].created_at)[-LIVE_A_BATCH:]
        try:
            now = datetime.now(UTC)
            count_scored(self._redis, sum(post.created_at > now - FRESH for post, _ in judged))
            for post, judgement in newest:
                announce(self._redis, scored_message(post, judgement))
        except REDIS_FAULTS as error:
            log.warning("live clients were not told", posts=len(newest), part=type(error).__name__)

    def _drain(self, stop: threading.Event) -> None:
        """First what this worker held when it stopped."""
        while not stop.is_set():
            pending = self._stream.own_pending(self._name, self._batch)
            if not pending:
                return
            self.work(pending)

    def _tidy(self) -> None:
        """Take over what dead workers held, and trim what is old.

        What was delivered too often may have taken its worker down: it is tried alone, and buried
        untried once even that has failed again and again.
        """
        claimed = self._stream.claim(self._name, CLAIM_IDLE_MS, self._batch)
        counts = self._stream.deliveries([entry.id for entry in claimed])
        self.work([e for e in claimed if counts.get(e.id, 1) <= MOST_DELIVERIES])
        for entry in claimed:
            count = counts.get(entry.id, 1)
            if count > HOPELESS_DELIVERIES:
                self._bury(entry, f"delivered {count} times without being stored")
            elif count > MOST_DELIVERIES:
                self.work([entry])
        self._stream.trim(KEEP_MS, int(time.time() * 1000))


def is_outage(error: Exception) -> bool:
    """Whether a part is away or unusable as a whole, rather than one post unusable."""
    if isinstance(error, DBAPIError):
        return not isinstance(error, DataError | IntegrityError)
    return isinstance(error, RedisError)


def reason_of(error: Exception) -> str:
    """Why a post was buried, in one line without the statement or the post's text."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return f"{type(error).__name__}: {str(cause).splitlines()[0] if str(cause) else cause!r}"
