"""Fan live messages out to WebSocket clients; a slow one loses old messages, nobody waits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from barometer.errors import BrokerError
from barometer.live import CHANNEL, scored_last_minute
from barometer.redis_server import redis_url
from serving.parts import Parts

log = structlog.get_logger()
METRICS_EVERY_S = 2.0
CLIENT_BUFFER = 200
MOST_CLIENTS = 500


class LiveHub:
    """One subscription to Redis, many clients."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._clients: set[asyncio.Queue[str]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to listen; call it inside the running event loop."""
        self._tasks = [
            asyncio.create_task(self._listen(), name="live-listen"),
            asyncio.create_task(self._measure(), name="live-metrics"),
        ]

    async def stop(self) -> None:
        """End the listening tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator["asyncio.Queue[str]"]:
        """A queue of JSON messages for one client."""
        queue: asyncio.Queue[str] = asyncio.Queue(CLIENT_BUFFER)
        self._clients.add(queue)
        try:
            yield queue
        finally:
            self._clients.discard(queue)

    @property
    def clients(self) -> int:
        """How many listen."""
        return len(self._clients)

    @property
    def full(self) -> bool:
        """Whether no further client is taken."""
        return self.clients >= MOST_CLIENTS

    def _send(self, message: str) -> None:
        for queue in self._clients:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(message)

    async def _listen(self) -> None:
        wait = 0.5
        while True:
            client = Redis.from_url(redis_url(self._parts.settings), decode_responses=True)
            try:
                async with client.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    wait = 0.5
                    async for item in channel.listen():
                        if item["type"] == "message":
                            self._send(item["data"])
            except (RedisError, OSError) as error:
                log.warning("live stream is away", reason=type(error).__name__, wait_s=wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 10.0)
            finally:
                await client.aclose()

    async def _measure(self) -> None:
        while True:
            await asyncio.sleep(METRICS_EVERY_S)
            if self._clients:
                self._send(orjson.dumps(await self._metrics()).decode())

    async def _metrics(self) -> dict[str, Any]:
        message: dict[str, Any] = {
            "type": "metrics",
            "time": datetime.now(UTC),
            "posts_per_minute": None,
            "backlog": None,
            "model_version": self._parts.models.champion.version,
        }
        with contextlib.suppress(RedisError):  # away: the numbers stay unknown, not invented
            message["posts_per_minute"] = await asyncio.to_thread(
                scored_last_minute, self._parts.redis
            )
        with contextlib.suppress(BrokerError):
            message["backlog"] = await asyncio.to_thread(self._parts.broker.backlog)
        return message
