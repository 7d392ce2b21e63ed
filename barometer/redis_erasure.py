"""Deletes chosen posts from the stream in Redis, and from its file on disk."""

from collections.abc import Iterator
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from barometer.broker import Erased, Unwanted
from barometer.redis_scripts import script
from barometer.redis_upkeep import DEAD, GROUP, STREAM, WAITING

log = structlog.get_logger()
PAGE: Final = 500
"""Entries that are looked at together."""


def erase(redis: Any, unwanted: Unwanted, *, only_count: bool) -> Erased:
    """Delete, or only count, the entries and dead letters with an unwanted post.

    Args:
        redis: a client that brings bytes.
        unwanted: told a post's JSON.
        only_count: delete nothing.
    """
    delete = script(redis, "erase")
    entries = letters = 0
    for ids in _found(redis, STREAM, unwanted):
        entries += len(ids) if only_count else delete([STREAM, WAITING], [GROUP, *ids])
    for ids in _found(redis, DEAD, unwanted):
        letters += len(ids) if only_count else redis.xdel(DEAD, *ids)
    if (entries or letters) and not only_count:
        _rewrite_file(redis)
    return Erased(entries, letters)


def _found(redis: Any, stream: str, unwanted: Unwanted) -> Iterator[list[bytes]]:
    start = "-"
    while page := redis.xrange(stream, min=start, count=PAGE):
        ids = [entry for entry, fields in page if unwanted(fields.get(b"post", b""))]
        if ids:
            yield ids
        start = f"({page[-1][0].decode()}"


def _rewrite_file(redis: Any) -> None:
    """Let Redis write its file anew: each entry that ever was is in it until then."""
    try:
        redis.bgrewriteaof()
    except RedisError as error:  # under way already, or not allowed to us
        log.warning(
            "deleted posts stay in Redis' file until it is rewritten (BGREWRITEAOF)",
            reason=type(error).__name__,
        )
