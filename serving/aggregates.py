"""Counts and trends of events: the older part is kept for a while, the newest is read each time.

A page that asks every few seconds stays live, and costs one small query instead of its window.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from barometer.store import EVERY_POST
from barometer.tables import EventRow
from barometer.trends import totals, trend
from serving.cache import MemoryLayer
from serving.single_flight import SingleFlight

LIVE = timedelta(minutes=5)
"""What is read each time. A later post is counted once what is kept ends."""
DAY = timedelta(days=1)
MOST_BYTES = 8_000_000
"""A trend of an hour by the minute takes 13 kB."""


class Aggregates(MemoryLayer):
    """Reads of the rollups that many pages share."""

    def __init__(self, engine: Engine, ttl_s: float) -> None:
        super().__init__("aggregates", MOST_BYTES)
        self._engine = engine
        self._ttl_s = ttl_s
        self._flights: SingleFlight[bytes] = SingleFlight()

    async def trend(
        self, event: EventRow | None, start: datetime, end: datetime, step: timedelta
    ) -> tuple[list[dict[str, Any]], datetime]:
        """The points of `barometer.trends.trend`, and when the oldest of them were read.

        `event` is None for every post.
        """
        event_id = event.id if event else EVERY_POST
        cut = max(start, end - step * -(-LIVE // step))

        def older() -> dict[str, Any]:
            points = trend(self._engine, event_id, start, cut, step)
            return {"points": points, "read": datetime.now(UTC)}

        window = f"{start.isoformat()}:{cut.isoformat()}:{step.total_seconds():.0f}"
        kept = await self._kept_or_read(f"trend:{_mark(event)}:{window}", older)
        points = [p | {"start": datetime.fromisoformat(p["start"])} for p in kept["points"]]
        newest = await run_in_threadpool(trend, self._engine, event_id, cut, end, step)
        return points + newest, datetime.fromisoformat(kept["read"])

    async def posts_of_a_day(self, events: Sequence[EventRow]) -> dict[int, int]:
        """The posts of each event in the last 24 hours, by the event's id."""
        ids = [event.id for event in events]

        def older() -> dict[str, Any]:
            cut = datetime.now(UTC).replace(second=0, microsecond=0) - LIVE
            counts = totals(self._engine, ids, cut + LIVE - DAY, cut)
            return {"counts": [counts[event_id] for event_id in ids], "cut": cut}

        kept = await self._kept_or_read("posts:" + ",".join(map(_mark, events)), older)
        cut = datetime.fromisoformat(kept["cut"])
        newest = await run_in_threadpool(totals, self._engine, ids, cut)
        counts = zip(ids, kept["counts"], strict=True)
        return {event_id: count + newest[event_id] for event_id, count in counts}

    async def _kept_or_read(self, key: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        async def fetch(keys: Sequence[str]) -> dict[str, bytes]:
            found = await self.get_many(keys)
            if not found:
                found = {key: orjson.dumps(await run_in_threadpool(read))}
                await self.put_many(found, self._ttl_s)
            return found

        content: dict[str, Any] = orjson.loads((await self._flights.fetch([key], fetch))[key])
        return content


def _mark(event: EventRow | None) -> str:
    """Names an event for good: SQLite gives the id of a deleted one to the next."""
    return f"{event.id}@{event.created_at.isoformat()}" if event else "all"
