"""Reads of the database that many pages share: kept for a while, and read once at a time.

Of counts and trends only the older part is kept and the newest is read each time: a page that asks
every few seconds stays live, and costs one small query instead of its window.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from barometer.languages import EVERY, Languages
from barometer.rollups import EVERY_POST
from barometer.tables import EventRow
from barometer.trends import totals, trend
from serving.cache import MemoryLayer
from serving.single_flight import SingleFlight

LIVE = timedelta(minutes=5)
"""What is read each time. A later post is counted once what is kept ends."""
DAY = timedelta(days=1)
MOST_BYTES = 8_000_000
"""A trend of an hour by the minute takes 13 kB."""


class Aggregates:
    """Figures of stored posts, each kept for `AGGREGATE_TTL_S`."""

    def __init__(self, engine: Engine, ttl_s: float) -> None:
        self._layer = MemoryLayer("aggregates", MOST_BYTES)
        self._engine = engine
        self._ttl_s = ttl_s
        self._flights: SingleFlight[bytes] = SingleFlight()

    async def trend(
        self,
        event: EventRow | None,
        start: datetime,
        end: datetime,
        step: timedelta,
        languages: Languages = EVERY,
    ) -> tuple[list[dict[str, Any]], datetime]:
        """The points of `barometer.trends.trend`, and when the oldest of them were read.

        `event` is None for every post.
        """
        event_id = event.id if event else EVERY_POST
        cut = max(start, end - step * -(-LIVE // step))

        def older() -> dict[str, Any]:
            points = trend(self._engine, event_id, start, cut, step, languages)
            return {"points": points, "read": datetime.now(UTC)}

        window = f"{start.isoformat()}:{cut.isoformat()}:{step.total_seconds():.0f}"
        key = f"trend:{event_mark(event)}:{window}:{languages}"
        kept = await self.kept_or_read(key, older)
        points = [p | {"start": datetime.fromisoformat(p["start"])} for p in kept["points"]]
        newest = await run_in_threadpool(trend, self._engine, event_id, cut, end, step, languages)
        return points + newest, datetime.fromisoformat(kept["read"])

    async def posts_of_a_day(self, events: Sequence[EventRow]) -> tuple[dict[int, int], datetime]:
        """The posts of each event in the last 24 hours by its id, and when the oldest were read."""
        ids = [event.id for event in events]

        def older() -> dict[str, Any]:
            cut = datetime.now(UTC).replace(second=0, microsecond=0) - LIVE
            counts = totals(self._engine, ids, cut + LIVE - DAY, cut)
            return {"counts": [counts[i] for i in ids], "cut": cut, "read": datetime.now(UTC)}

        kept = await self.kept_or_read("posts:" + ",".join(map(event_mark, events)), older)
        cut = datetime.fromisoformat(kept["cut"])
        newest = await run_in_threadpool(totals, self._engine, ids, cut)
        counts = zip(ids, kept["counts"], strict=True)
        read = datetime.fromisoformat(kept["read"])
        return {event_id: count + newest[event_id] for event_id, count in counts}, read

    async def kept_or_read(self, key: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `read` gives as JSON has it, kept under `key`; it runs in a thread, once for all.

        Raises:
            Exception: what `read` raised, to every caller that waited for it.
        """

        async def fetch(keys: Sequence[str]) -> dict[str, bytes]:
            found = await self._layer.get_many(keys)
            if not found:
                found = {key: orjson.dumps(await run_in_threadpool(read))}
                await self._layer.put_many(found, self._ttl_s)
            return found

        content: dict[str, Any] = orjson.loads((await self._flights.fetch([key], fetch))[key])
        return content


def event_mark(event: EventRow | None) -> str:
    """Names an event for good: SQLite gives the id of a deleted one to the next."""
    return f"{event.id}@{event.created_at.isoformat()}" if event else "all"
