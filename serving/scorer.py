"""The stream scorer: read, classify, store, tell live clients, acknowledge. In that order."""

import os
import socket
import threading
import time
from collections.abc import Sequence

import structlog
from redis import Redis
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from barometer.live import announce, count_scored
from barometer.posts import Judgement, Post
from barometer.redis_server import REDIS_FAULTS
from barometer.store import store
from barometer.stream import Entry, PostStream
from inference.registry import LoadedModel
from serving.judge import judge
from serving.post_json import scored_message

log = structlog.get_logger()
MOST_DELIVERIES = 5
CLAIM_IDLE_MS = 60_000
"""A scorer that has not acknowledged for so long is taken for dead."""
KEEP_MS = 7 * 24 * 3_600_000
TIDY_EVERY_S = 30.0
LIVE_A_BATCH = 20
"""Newest posts of a batch that live clients are shown; a backlog would flood them."""
HEARTBEAT = "barometer:scorer:heartbeat"
HEARTBEAT_TTL_S = 15


class Scorer:
    """One worker of the scorers' group."""

    def __init__(
        self, redis: Redis, engine: Engine, model: LoadedModel, batch: int, name: str = ""
    ) -> None:
        """`name` identifies this worker in the group; a restart under it drains what it held."""
        self._redis = redis
        self._stream = PostStream(redis)
        self._engine = engine
        self._model = model
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
                self._redis.set(HEARTBEAT, self._model.version, ex=HEARTBEAT_TTL_S)
                wait = 0.5
            except (*REDIS_FAULTS, OperationalError) as error:
                log.warning(
                    "waiting for a part to come back", part=type(error).__name__, wait_s=wait
                )
                stop.wait(wait)
                wait, tidied = min(wait * 2, 15.0), 0.0

    def work(self, entries: Sequence[Entry]) -> None:
        """Store these entries and acknowledge them; those that cannot be stored are buried."""
        readable = [entry for entry in entries if entry.post is not None]
        for entry in entries:
            if entry.post is None:
                self._stream.bury(entry, "the entry's fields cannot be read as a post")
        if not readable:
            return
        try:
            self._store(readable)
        except OperationalError:
            raise  # the database is away: nothing is acknowledged, all of it comes again
        except Exception as error:  # noqa: BLE001 - whatever it is, its post must not stop the rest
            if len(readable) == 1:
                self._stream.bury(readable[0], f"{type(error).__name__}: {error}")
                log.warning("post buried", entry=readable[0].id, reason=type(error).__name__)
                return
            # One poison post must not take its batch along: halve until it stands alone.
            middle = len(readable) // 2
            self.work(readable[:middle])
            self.work(readable[middle:])

    def _store(self, entries: Sequence[Entry]) -> None:
        posts = [entry.post for entry in entries if entry.post is not None]
        judgements = judge(self._model, [post.text for post in posts])
        judged = list(zip(posts, judgements, strict=True))
        try:
            stored = store(self._engine, judged)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise OperationalError(
                    error.statement, error.params, error.orig or error
                ) from error
            raise
        self.stored += len(stored.new_posts)
        count_scored(self._redis, len(stored.new_posts))
        self._tell([pair for pair in judged if (pair[0].source, pair[0].id) in stored.new_posts])
        self._stream.acknowledge([entry.id for entry in entries])

    def _tell(self, judged: Sequence[tuple[Post, Judgement]]) -> None:
        newest = sorted(judged, key=lambda pair: pair[0].created_at)[-LIVE_A_BATCH:]
        for post, judgement in newest:
            announce(self._redis, scored_message(post, judgement))

    def _drain(self, stop: threading.Event) -> None:
        """First what this worker held when it stopped."""
        while not stop.is_set():
            pending = self._stream.own_pending(self._name, self._batch)
            if not pending:
                return
            self.work(pending)

    def _tidy(self) -> None:
        """Take over what dead workers held, bury what was tried too often, trim what is old."""
        claimed = self._stream.claim(self._name, CLAIM_IDLE_MS, self._batch)
        counts = self._stream.deliveries([entry.id for entry in claimed])
        for entry in claimed:
            if counts.get(entry.id, 1) > MOST_DELIVERIES:
                self._stream.bury(entry, f"delivered {counts[entry.id]} times without being stored")
        self.work([e for e in claimed if counts.get(e.id, 1) <= MOST_DELIVERIES])
        self._stream.trim(KEEP_MS, int(time.time() * 1000))
