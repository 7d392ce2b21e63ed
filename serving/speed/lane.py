"""A way from the stream to a database that nobody else uses, with the posts that travel it."""

import itertools
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import psutil
from sqlalchemy import func, select

from barometer.brokers import open_broker
from barometer.database import engine_for, migrate
from barometer.errors import UnavailableError
from barometer.events import new_event, track, tracked, with_events
from barometer.posts import Post
from barometer.settings import Settings
from barometer.tables import PostRow

LONGEST_S: Final = 300.0
"""Seconds that a scorer may take to start and to work off what waits."""
LOOK_S: Final = 0.004


class Lane:
    """One stream and the database behind it."""

    def __init__(self, name: str, redis_url: str, database_url: str, titles: Sequence[str]) -> None:
        """Make both.

        Args:
            name: of the kind of database.
            redis_url: a Redis database of its own.
            database_url: an empty database of its own.
            titles: of events to track.
        """
        self.name = name
        self.redis_url = redis_url
        self.database_url = database_url
        self._broker = open_broker(Settings(redis_url=redis_url, broker_url=""))
        migrate(database_url)
        self.engine = engine_for(database_url)
        for title in titles:
            track(self.engine, new_event(title))
        self._events = tracked(self.engine)
        self._ids = itertools.count()

    def posts(self, texts: Sequence[str]) -> list[Post]:
        """New posts of these texts, written in the last hour."""
        now = datetime.now(UTC)
        return [
            with_events(
                Post(
                    source="speed",
                    id=str(next(self._ids)),
                    text=text,
                    created_at=now - timedelta(seconds=number % 3600),
                ),
                self._events,
            )
            for number, text in enumerate(texts)
        ]

    def publish(self, posts: Sequence[Post]) -> None:
        """Put them into the stream.

        Raises:
            UnavailableError: it takes one for a repeat, which no figure would show.
        """
        if not all(self._broker.publish(posts)):
            raise UnavailableError("the stream took a new post for a repeat.")

    def wait_until_empty(self, scorer: psutil.Popen) -> None:
        """Wait until `scorer` has acknowledged every post.

        Raises:
            UnavailableError: it has ended, or does not work them off.
        """
        deadline = time.monotonic() + LONGEST_S
        while self._broker.backlog():
            if scorer.poll() is not None or time.monotonic() > deadline:
                raise UnavailableError(f"the scorer before {self.name} works nothing off.")
            time.sleep(LOOK_S)

    def last_row(self) -> int:
        """The newest row's number; 0 where there is none."""
        with self.engine.connect() as connection:
            return int(connection.scalar(select(func.max(PostRow.id))) or 0)

    def rows_after(self, row: int) -> list[tuple[int, str]]:
        """Number and post id of every row after `row` that is committed by now."""
        found = select(PostRow.id, PostRow.external_id).where(PostRow.id > row).order_by(PostRow.id)
        with self.engine.connect() as connection:
            return [(number, post) for number, post in connection.execute(found)]
