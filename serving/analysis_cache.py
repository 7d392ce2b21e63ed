"""The cache of `/analyze`: what is put into it is queued for the database in the same step."""

import structlog
from redis import Redis

from barometer.analysis_queue import AnalysisQueue
from serving.cache import RedisLayer

log = structlog.get_logger()


class AnalysisCache(RedisLayer):
    """Answers of `/analyze` in Redis; without it an answer is given, and not kept."""

    def __init__(self, redis: Redis) -> None:
        super().__init__("analyses", redis)
        self._queue = AnalysisQueue(self._redis)

    async def keep(self, key: str, answer: bytes, ttl_s: float) -> None:
        """Keep an answer's JSON for at most `ttl_s` seconds, and queue it for the database."""
        if await self._ask(self._queue.keep, key, answer, ttl_s) is False:
            log.warning("an analysis is cached only: too many wait", remedy="barometer sync --now")
