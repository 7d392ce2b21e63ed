"""Answers of `/analyze` in Redis: cached for a while, and queued until the database has them.

An entry leaves the queue only by a caller that has stored it, however long that takes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from pydantic import ValidationError
from redis import Redis

from barometer.client.contract import KeptAnalysis

CACHED: Final = "barometer:analysis:7:"
"""How the cached answers' keys begin; 7 is their shape: those of an older process are not read."""
UNSYNCED: Final = "barometer:analyses:unsynced"
UNREADABLE: Final = "barometer:analyses:unreadable"
"""What could not be stored, with the reason: it must not hold up what comes after it."""
MOST_WAITING: Final = 10_000
"""They take 20 MB. Past it an answer is only cached; `recover_missing` may still find it there."""
PAGE: Final = 200


@dataclass(frozen=True)
class Waiting:
    """How many answers wait, and for how long the oldest has, by Redis' own clock."""

    count: int
    oldest_s: float

    @property
    def full(self) -> bool:
        """Whether no further answer is queued."""
        return self.count >= MOST_WAITING


@dataclass(frozen=True)
class Entry:
    """One queued answer; `analysis` is None where its content cannot be read."""

    id: str
    analysis: KeptAnalysis | None
    fields: dict[str, str]


class AnalysisQueue:
    """The answers that the database lacks."""

    def __init__(self, redis: Redis) -> None:
        # The library's types leave open what decode_responses settles: texts, never bytes.
        self._redis: Any = redis
        script = (resources.files("barometer") / "keep_analysis.lua").read_text()
        self._keep = redis.register_script(script)

    def keep(self, key: str, answer: bytes, ttl_s: float) -> bool:
        """Cache an answer's JSON for `ttl_s` seconds and queue it; False: the queue is full."""
        arguments: list[bytes | int] = [answer, max(1, round(ttl_s * 1000)), MOST_WAITING]
        return bool(self._keep(keys=[key, UNSYNCED], args=arguments))

    def waiting(self) -> Waiting:
        """How much waits now."""
        with self._redis.pipeline(transaction=True) as steps:
            steps.xlen(UNSYNCED)
            steps.xrange(UNSYNCED, count=1)
            steps.time()
            count, oldest, (seconds, micros) = steps.execute()
        if not oldest:
            return Waiting(0, 0.0)
        since_ms = int(oldest[0][0].split("-")[0])
        return Waiting(count, max(0.0, seconds + micros / 1e6 - since_ms / 1000))

    def oldest(self, count: int = PAGE, after: str = "") -> list[Entry]:
        """The oldest entries, from behind the id `after` on; they stay where they are."""
        start = f"({after}" if after else "-"
        found = self._redis.xrange(UNSYNCED, min=start, count=count)
        return [Entry(entry_id, _read(fields.get("answer")), fields) for entry_id, fields in found]

    def entries(self) -> Iterator[Entry]:
        """Every entry, oldest first, read page by page."""
        page = self.oldest()
        while page:
            yield from page
            page = self.oldest(after=page[-1].id)

    def drop(self, ids: Sequence[str]) -> None:
        """Say that these entries are stored."""
        if ids:
            self._redis.xdel(UNSYNCED, *ids)

    def set_aside(self, entry: Entry, reason: str) -> None:
        """Move an entry that cannot be stored out of the way, in one step."""
        with self._redis.pipeline(transaction=True) as steps:
            steps.xadd(UNREADABLE, {**entry.fields, "reason": reason[:500]})
            steps.xdel(UNSYNCED, entry.id)
            steps.execute()

    def put_back(self, analyses: Sequence[KeptAnalysis]) -> int:
        """Queue answers again, as far as there is room; returns how many were."""
        room = max(0, MOST_WAITING - self.waiting().count)
        with self._redis.pipeline(transaction=False) as steps:
            for analysis in analyses[:room]:
                steps.xadd(UNSYNCED, {"answer": analysis.model_dump_json()})
            return len(steps.execute())

    def cached(self) -> Iterator[list[KeptAnalysis]]:
        """The answers that the cache still holds, page by page."""
        keys: list[str] = []
        for key in self._redis.scan_iter(match=f"{CACHED}*", count=1_000):
            keys.append(key)
            if len(keys) == PAGE:
                yield self._values(keys)
                keys = []
        yield self._values(keys)

    def _values(self, keys: Sequence[str]) -> list[KeptAnalysis]:
        read = (_read(value) for value in (self._redis.mget(keys) if keys else ()))
        return [analysis for analysis in read if analysis is not None]


def _read(answer: str | None) -> KeptAnalysis | None:
    """None for an answer that ended meanwhile, or that a process of another version wrote."""
    if answer is None:
        return None
    try:
        return KeptAnalysis.model_validate_json(answer)
    except ValidationError:
        return None
