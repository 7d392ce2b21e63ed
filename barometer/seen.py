"""Marks of seen posts, kept in Redis for a broker that cannot keep them itself.

A post is marked after the broker has it, never before: a mark without its post would lose it. Two
who publish the same post at the same moment may both append it; the database's unique key makes
that harmless. Without Redis every post counts as new, for the same reason.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

from barometer.posts import Post
from barometer.redis_server import impatient
from barometer.repeats import SEEN_S, Mark, marks

log = structlog.get_logger()


class Seen:
    """The marks that every publisher of the stream shares."""

    def __init__(self, redis: Redis) -> None:
        """`redis` names the server; it may be away."""
        self._redis: Any = impatient(redis)

    def new_marks(self, posts: Sequence[Post]) -> list[list[Mark]]:
        """For each post, its marks for the events that it is new for."""
        asked = [marks(post) for post in posts]
        known = self._known({mark.key for each in asked for mark in each})
        found = []
        for each in asked:
            new = []
            for mark in each:
                if mark.key not in known:
                    new.append(mark)
                    known.add(mark.key)  # a later one of this call repeats it
            found.append(new)
        return found

    def remember(self, taken: Iterable[Mark]) -> None:
        """Mark as seen what the broker has."""
        with self._redis.pipeline(transaction=False) as steps:
            for mark in taken:
                steps.set(mark.key, 1, ex=SEEN_S)
            try:
                steps.execute()
            except RedisError as error:
                log.warning("posts were not marked as seen", part=type(error).__name__)

    def _known(self, keys: set[str]) -> set[str]:
        asked = list(keys)
        with self._redis.pipeline(transaction=False) as steps:
            for key in asked:
                steps.exists(key)
            try:
                return {key for key, there in zip(asked, steps.execute(), strict=True) if there}
            except RedisError as error:
                log.warning("every post counts as new", part=type(error).__name__)
                return set()
