"""The scorers' heartbeat in Redis: the model version that one of them works with just now."""

import time
from typing import Final

import structlog
from redis import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()
HEARTBEAT: Final = "barometer:scorer:heartbeat"
TTL_S: Final = 15
EVERY_S: Final = 1.0


class Heartbeat:
    """Shows that one scorer works."""

    def __init__(self, redis: Redis) -> None:
        """`redis` may be away; nobody waits for it where it is impatient."""
        self._redis = redis
        self._heard = True
        self._beat_at = -EVERY_S

    def beat(self, version: str) -> None:
        """Show the model's version; not after each small batch, for Redis writes it to disk."""
        if time.monotonic() - self._beat_at < EVERY_S:
            return
        self._beat_at = time.monotonic()
        try:
            self._redis.set(HEARTBEAT, version, ex=TTL_S)
            self._heard = True
        except RedisError as error:
            if self._heard:  # once, not each second of an outage
                log.warning("the heartbeat is not heard", reason=type(error).__name__)
            self._heard = False
