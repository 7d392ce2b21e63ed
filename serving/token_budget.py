"""How many tokens an LLM may use in a day, counted across processes and restarts."""

import threading
from datetime import UTC, datetime

import structlog
from redis import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()
KEEP_S = 2 * 24 * 3600
"""A day's count outlives the day, since the clocks of two machines may differ."""


class TokenBudget:
    """Tokens of the running day (UTC), in Redis; what this process used itself while it is away."""

    def __init__(self, redis: Redis, tokens_a_day: int) -> None:
        self._redis = redis
        self.tokens_a_day = tokens_a_day
        self._lock = threading.Lock()
        self._day = ""
        self._own = 0
        self._known = 0

    @property
    def spent(self) -> int:
        """Tokens used today, as far as this process has heard."""
        return self._known if self._day == _today() else 0

    def take(self, tokens: int) -> bool:
        """Set tokens aside before a call; False where the day's budget does not hold them."""
        if self._count(tokens) <= self.tokens_a_day:
            return True
        self.give_back(tokens)
        return False

    def give_back(self, tokens: int) -> None:
        """A call used so many fewer than were set aside; negative: so many more."""
        self._count(-tokens)

    def _count(self, tokens: int) -> int:
        """The day's total after `tokens` more."""
        today = _today()
        with self._lock:
            if today != self._day:
                self._day, self._own = today, 0
            self._own += tokens
            total = self._own
        key = f"barometer:llm:tokens:{today}"
        try:
            with self._redis.pipeline(transaction=True) as steps:
                steps.incrby(key, tokens)
                steps.expire(key, KEEP_S)
                total = max(total, int(steps.execute()[0]))
        except RedisError as error:
            log.warning("LLM tokens are counted here alone", reason=type(error).__name__)
        self._known = total
        return total


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
