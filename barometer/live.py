"""What live clients are told, from any process, and how fast posts are scored."""

import time
from typing import Any, Final

import orjson
from redis import Redis

CHANNEL: Final = "barometer:live"
BUCKET_S: Final = 10


def announce(redis: Redis, *messages: dict[str, Any]) -> None:
    """Tell every live client; a message has a `type` and is not kept for later ones."""
    with redis.pipeline(transaction=False) as steps:
        for message in messages:
            steps.publish(CHANNEL, orjson.dumps(message).decode())
        steps.execute()


def count_scored(redis: Redis, posts: int) -> None:
    """Add to the number of fresh posts that were scored just now."""
    key = _bucket(0)
    with redis.pipeline(transaction=False) as steps:
        steps.incrby(key, posts)
        steps.expire(key, 2 * 60)
        steps.execute()


def scored_last_minute(redis: Redis) -> int:
    """Posts that all scorers stored in the last minute, to ten seconds."""
    counts = redis.mget([_bucket(back) for back in range(60 // BUCKET_S)])
    return sum(int(count or 0) for count in counts)


def _bucket(back: int) -> str:
    return f"barometer:scored:{int(time.time()) // BUCKET_S - back}"
