"""What keeps the stream in Redis tidy: its group, its retention, its consumers, its count."""

import time
from typing import Any, Final

import structlog
from redis.exceptions import ResponseError

from barometer.redis_durability import doubts
from barometer.redis_scripts import script
from barometer.settings import Settings

log = structlog.get_logger()
STREAM: Final = "barometer:posts"
GROUP: Final = "scorers"
DEAD: Final = "barometer:posts:dead"
WAITING: Final = "barometer:posts:waiting"
"""Counts what is neither acknowledged nor buried."""
FORGET_MS: Final = 3_600_000
"""A consumer that holds nothing and has been silent for so long is not coming back."""
STEP: Final = 1_000
"""Entries that are looked at in one step, which blocks Redis."""
MOST_STEPS: Final = 200

Id = tuple[int, int]
"""A stream id: milliseconds since 1970, and a number within them."""


class Upkeep:
    """Keeps one stream tidy; any number of workers may do so at once."""

    def __init__(self, redis: Any, settings: Settings) -> None:
        """`redis` brings bytes."""
        self._redis = redis
        self._keep_ms = int(settings.stream_keep_days * 24 * 3_600_000)
        self._most = settings.stream_most_entries
        self._asked = False
        self._oldest = script(redis, "oldest")
        self._forget = script(redis, "forget")
        self._recount = script(redis, "recount")

    def make_group(self) -> None:
        """Make the scorers' group, from the stream's first entry on."""
        try:
            self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):  # another worker was first
                raise

    def run(self) -> None:
        """Trim, forget, recount; the first time, say what in the server's set-up may lose posts."""
        if not self._asked:
            for doubt in doubts(self._redis):
                log.warning("Redis may lose accepted posts", reason=doubt)
            self._asked = True
        self.make_group()
        self._trim()
        self._forget(keys=[STREAM], args=[GROUP, FORGET_MS])
        self._recount(keys=[STREAM, WAITING], args=[GROUP])

    def _trim(self) -> None:
        """Drop what is too old or too much, but nothing from the first unacknowledged entry on.

        That entry may be settled meanwhile, but no older one can become unsettled: the bound holds.
        """
        bound = self._first_unsettled()
        old = (int(time.time() * 1000) - self._keep_ms, 0)
        self._redis.xtrim(STREAM, minid=_written(min(bound, old)), approximate=True)
        for _ in range(MOST_STEPS):
            excess = self._redis.xlen(STREAM) - self._most
            if excess <= 0:
                return
            cut = _read(self._oldest(keys=[STREAM], args=[min(excess, STEP) + 1]))
            dropped = self._redis.xtrim(STREAM, minid=_written(min(bound, cut)), approximate=False)
            if not dropped:
                return

    def _first_unsettled(self) -> Id:
        # In this order: what another worker reads between the two is pending, and not yet delivered
        # by the first. The other way round it would be neither, and be dropped unsettled.
        groups = self._redis.xinfo_groups(STREAM)
        delivered = next(g["last-delivered-id"] for g in groups if g["name"] == GROUP.encode())
        return _read(self._redis.xpending(STREAM, GROUP)["min"] or delivered)


def _read(written: bytes) -> Id:
    milliseconds, number = written.split(b"-")
    return int(milliseconds), int(number)


def _written(entry_id: Id) -> str:
    return f"{max(entry_id[0], 0)}-{entry_id[1]}"
