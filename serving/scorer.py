"""The stream scorer: read, classify, store, tell live clients, acknowledge. In that order."""

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from barometer.broker import Broker, Entry
from barometer.errors import BrokerError, ModelError, SettingsError
from barometer.events import tracked, with_events
from barometer.forgotten import forgotten_among
from barometer.live import announce, count_scored
from barometer.metrics import POSTS_BURIED, POSTS_SCORED
from barometer.posts import Judgement, Post
from barometer.redis_server import impatient
from barometer.store import Stored, is_stored, store
from serving.fault_of import is_outage, reason_of, try_model
from serving.heartbeat import Heartbeat
from serving.known_answers import KnownAnswers
from serving.models import Models
from serving.post_json import scored_message

log = structlog.get_logger()
MOST_DELIVERIES = 5
"""A post that was tried so often and still comes again is buried untried."""
BLOCK_MS = 1_000
TIDY_EVERY_S = 30.0
SHORTEST_WAIT_S = 0.5
LONGEST_WAIT_S = 15.0
LIVE_A_BATCH = 20
"""Newest posts of a batch that live clients are shown; a backlog would flood them."""
FRESH = timedelta(minutes=2)
"""Older posts are somebody's history, not today's rate."""


class Scorer:
    """One worker of the scorers' group."""

    def __init__(
        self,
        broker: Broker,
        redis: Redis,
        engine: Engine,
        models: Models,
        batch: int,
        name: str,
    ) -> None:
        """Each batch is judged by the champion of its moment.

        `redis` takes the heartbeat and what live clients are shown; it may be away. `name` is this
        worker's own in the group; a restart under it drains what it held.
        """
        self._broker = broker
        self._authors = broker.authors
        self._redis = impatient(redis)
        self._heartbeat = Heartbeat(self._redis)
        self._engine = engine
        self._models = models
        self._known = KnownAnswers()
        self._batch = batch
        self._name = name
        self.stored = 0

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; what is away, and a model that is broken, is waited for.

        Nothing is taken while the database is away: a delivery that ends in an outage says nothing
        about its posts, and does not count against them.

        Raises:
            SettingsError: there is no usable key for authors' names; that does not count either.
        """
        wait = SHORTEST_WAIT_S
        tidied = -TIDY_EVERY_S
        while not stop.is_set():
            try:
                self._ask_database()
                if time.monotonic() - tidied > TIDY_EVERY_S:
                    self._broker.tidy()
                    tidied = time.monotonic()
                self._take()
                self._heartbeat.beat(self._models.champion.version)
                wait = SHORTEST_WAIT_S
            except (BrokerError, DBAPIError, ModelError) as error:
                log.warning(
                    "waiting for a part to come back", part=type(error).__name__, wait_s=wait
                )
                stop.wait(wait)
                wait = min(wait * 2, LONGEST_WAIT_S)

    def _ask_database(self) -> None:
        with self._engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def _take(self) -> None:
        entries = self._broker.receive(self._name, self._batch, BLOCK_MS)
        try:
            self.work(entries)
        except (DBAPIError, ModelError, SettingsError):
            self._broker.hold(self._name, entries)
            raise

    def work(self, entries: Sequence[Entry]) -> None:
        """Store these entries and acknowledge them; those that cannot be stored are buried.

        Raises:
            BrokerError, DBAPIError: a part is away; what is not acknowledged comes again.
            ModelError, SettingsError: the model cannot judge any text, or there is no usable key
                for authors' names; the same holds.
        """
        readable = []
        for entry in entries:
            if entry.post is None:
                self._bury(entry, entry.fault)
            elif entry.deliveries > MOST_DELIVERIES:
                self._give_up(entry, entry.post)
            else:
                readable.append(entry)
        if not readable:
            return
        try:
            judged, stored = self._judge_and_store(readable)
        except Exception as error:
            if is_outage(error):
                raise  # nothing is acknowledged, all of it comes again
            if len(readable) == 1:
                try_model(self._models.champion)
                self._bury(readable[0], reason_of(error))
                return
            # One poison post must not take its batch along: halve until it stands alone.
            middle = len(readable) // 2
            self.work(readable[:middle])
            self.work(readable[middle:])
            return
        self.stored += len(stored.new_posts)
        POSTS_SCORED.inc(len(stored.new_posts))
        if stored.forgotten:
            log.info("posts of forgotten authors were dropped", posts=len(stored.forgotten))
        self._tell(judged, stored)
        self._broker.acknowledge(readable)

    def _give_up(self, entry: Entry, post: Post) -> None:
        """Bury what was delivered too often; its scorers may have died after they had stored it."""
        try:
            known = is_stored(self._engine, with_events(post, tracked(self._engine)))
        except DBAPIError as error:
            if is_outage(error):
                raise
            known = False  # what the database cannot look for is not in it
        if known:
            self._broker.acknowledge([entry])
            return
        times = f"delivered {entry.deliveries} times"
        self._bury(entry, f"{times} without being stored: it may take its scorer down")

    def _bury(self, entry: Entry, reason: str) -> None:
        if entry.post and forgotten_among(self._engine, self._authors, [entry.post]):
            self._broker.acknowledge([entry])  # a letter would keep what is to be forgotten
            return
        self._broker.bury(entry, reason)
        POSTS_BURIED.inc()
        # What follows the first colon may be a library's words, and quote the post.
        log.warning("post buried", entry=entry.id, reason=reason.partition(":")[0])

    def _judge_and_store(
        self, entries: Sequence[Entry]
    ) -> tuple[list[tuple[Post, Judgement]], Stored]:
        # An event may have come up while the posts were under way: match them once more.
        events = tracked(self._engine)
        # An entry may be older than the setting that hides names.
        found = [self._authors.hidden(each.post) for each in entries if each.post is not None]
        posts = [with_events(post, events) for post in found]
        # One model for the whole batch, whatever is exchanged meanwhile.
        model = self._models.champion
        said = self._known.judge(model, [post.text for post in posts])
        judged = list(zip(posts, said, strict=True))
        return judged, store(self._engine, judged, self._authors)

    def _tell(self, judged: Sequence[tuple[Post, Judgement]], stored: Stored) -> None:
        """Show the newest to live clients, reposts last; what they miss is stored all the same."""
        new = [pair for pair in judged if pair[0].key in stored.new_posts]
        new.sort(key=lambda pair: (pair[0].key not in stored.reposts, pair[0].created_at))
        newest = new[-LIVE_A_BATCH:]
        try:
            now = datetime.now(UTC)
            count_scored(self._redis, sum(post.created_at > now - FRESH for post, _ in new))
            said = [
                scored_message(post, judgement, repost=post.key in stored.reposts)
                for post, judgement in newest
            ]
            announce(self._redis, *said)
        except RedisError as error:
            log.warning("live clients were not told", posts=len(newest), part=type(error).__name__)
