"""What the workers have in their hands: something that breaks beside idle ones proves little."""

import asyncio
import time
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from barometer.redis_upkeep import GROUP, STREAM

LOOK_S: Final = 0.02
JUST_MS: Final = 100
"""A worker that has not asked for posts for longer waits for a part to come back, or is dead."""


async def full(redis: Redis, longest_s: float, worker: str | None = None) -> None:
    """Wait until `worker`, or any, has just taken posts; or for so long.

    Args:
        redis: the server of the stream, perhaps away at times.
        longest_s: seconds.
        worker: its name among the scorers; None: whichever.
    """
    deadline = time.monotonic() + longest_s
    while time.monotonic() < deadline:
        if any(worker in (None, name) for name in await _holding(redis)):
            return
        await asyncio.sleep(LOOK_S)


async def _holding(redis: Redis) -> list[str]:
    try:
        consumers = await redis.xinfo_consumers(STREAM, GROUP)
    except (RedisError, OSError):  # it is away, or has no group yet
        return []
    return [
        consumer["name"].decode()
        for consumer in consumers
        if consumer["pending"] and consumer["idle"] < JUST_MS
    ]
