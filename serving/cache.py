"""Layers that keep bytes under keys: in this process, and in Redis. All have one interface."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog
from redis import Redis
from redis.exceptions import RedisError

from barometer.metrics import count_lookups
from barometer.redis_server import impatient

log = structlog.get_logger()
ENTRY_OVERHEAD = 300
"""Bytes that an entry costs beside key and value: two Python objects, a tuple, a place."""
STEP_ASIDE_S = 1.0
"""A Redis that failed is left alone for so long: a dead one must not slow every request."""


class Layer(Protocol):
    """Keeps values for a while. It may forget any of them, and never raises for a fault."""

    name: str

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values of those keys that are there."""

    async def put_many(self, items: Mapping[str, bytes], ttl_s: float) -> None:
        """Keep values for at most `ttl_s` seconds."""


class MemoryLayer:
    """In this process, bounded in bytes; what was not used for longest goes first."""

    def __init__(self, name: str, most_bytes: int) -> None:
        self.name = name
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values of those keys that are there; they now count as used."""
        now = time.monotonic()
        found = {}
        for key in keys:
            expires, value = self._kept.get(key, (0.0, b""))
            if expires > now:
                self._kept.move_to_end(key)
                found[key] = value
        count_lookups(self.name, hits=len(found), misses=len(keys) - len(found))
        return found

    async def put_many(self, items: Mapping[str, bytes], ttl_s: float) -> None:
        """Keep values for at most `ttl_s` seconds."""
        expires = time.monotonic() + ttl_s
        for key, value in items.items():
            self._forget(key)
            self._kept[key] = (expires, value)
            self._bytes += _cost(key, value)
        while self._bytes > self._most_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: str) -> None:
        if key in self._kept:
            _, value = self._kept.pop(key)
            self._bytes -= _cost(key, value)


class RedisLayer:
    """In Redis, shared by every process; without Redis it holds nothing and says `degraded`."""

    def __init__(self, name: str, redis: Redis) -> None:
        self.name = name
        self.degraded = False
        """Whether Redis failed when it was last asked."""
        self._redis: Any = impatient(redis)
        self._again_at = 0.0

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values of those keys that are there, read by one command."""
        values = await self._ask(self._redis.mget, keys) if keys else None
        pairs = zip(keys, values or [None] * len(keys), strict=True)
        found = {key: value for key, value in pairs if value is not None}
        count_lookups(self.name, hits=len(found), misses=len(keys) - len(found))
        return found

    async def put_many(self, items: Mapping[str, bytes], ttl_s: float) -> None:
        """Keep values for at most `ttl_s` seconds, written by one pipeline."""
        if not items:
            return
        with self._redis.pipeline(transaction=False) as steps:
            for key, value in items.items():
                steps.set(key, value, px=max(1, round(ttl_s * 1000)))
            await self._ask(steps.execute)

    async def seconds_left(self, keys: Sequence[str]) -> dict[str, float]:
        """How long each key will still be there; 0 for one that is not."""
        with self._redis.pipeline(transaction=False) as steps:
            for key in keys:
                steps.pttl(key)
            left = await self._ask(steps.execute) or [0] * len(keys)
        return {key: max(0, ms) / 1000 for key, ms in zip(keys, left, strict=True)}

    async def _ask(self, command: Any, *arguments: Any) -> Any:
        """Redis' answer; None while it is away."""
        now = time.monotonic()
        if now < self._again_at:
            return None
        if self.degraded:  # this one tries whether Redis is back; the others go on without
            self._again_at = now + STEP_ASIDE_S
        try:
            answer = await asyncio.to_thread(command, *arguments)
        except RedisError as error:
            if not self.degraded:
                log.warning(
                    "cache goes without redis", layer=self.name, reason=type(error).__name__
                )
            self.degraded = True
            self._again_at = time.monotonic() + STEP_ASIDE_S
            return None
        if self.degraded:
            log.info("cache has redis again", layer=self.name)
        self.degraded, self._again_at = False, 0.0
        return answer


def _cost(key: str, value: bytes) -> int:
    return len(key) + len(value) + ENTRY_OVERHEAD
