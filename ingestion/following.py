"""Follow the live sources, each on its own, until told to stop."""

import asyncio
import contextlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from barometer.errors import BrokerError
from barometer.events import Event
from ingestion.intake import Intake, Reading
from ingestion.source import LiveSource

log = structlog.get_logger()
EVERY_EVENT: Final = ""
"""The key of a live source's position: one connection serves all events."""


@dataclass(frozen=True)
class Pace:
    """How long a follower waits, in seconds."""

    shortest_wait_s: float = 1.0
    """Before a source is tried again; doubled with each further fault."""
    longest_wait_s: float = 60.0
    steady_s: float = 30.0
    """A source that went well for so long begins with the shortest wait again."""
    stopping_s: float = 5.0
    """For the last posts to be published and the positions to be saved."""


async def follow_all(
    sources: Mapping[str, LiveSource], intake: Intake, stop: asyncio.Event, pace: Pace | None = None
) -> None:
    """Follow every source until `stop` is set; one that fails is tried again, alone.

    In the end what came is in the stream, and the positions are saved.

    Raises:
        BrokerError: the stream stays away.
    """
    pace = pace or Pace()
    following = [asyncio.create_task(follow(s, intake, stop, pace)) for s in sources.values()]
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({*following, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()  # what one cannot go on without, the others lack, too
        await asyncio.wait({*following}, timeout=pace.stopping_s)
    finally:
        for task in (*following, stopped):
            task.cancel()
        ended = await asyncio.gather(*following, return_exceptions=True)
    for outcome in ended:
        if isinstance(outcome, Exception):
            raise outcome


async def follow(source: LiveSource, intake: Intake, stop: asyncio.Event, pace: Pace) -> None:
    """Follow one source while an event asks for it; after a fault, from its position again.

    Raises:
        BrokerError: the stream stays away.
    """
    loop = asyncio.get_running_loop()
    wait = pace.shortest_wait_s
    while not stop.is_set():
        began, until = loop.time(), None
        try:
            reading = await _read(source, intake, stop)
            if reading is None:
                await _rest(stop, intake.look_every_s)
                continue
            until = reading.until
        except BrokerError:
            raise
        except Exception:
            # The database is away, or the source has a bug: the others shall not end of it.
            log.exception("following failed", source=source.name)
        if loop.time() - began > pace.steady_s:
            wait = pace.shortest_wait_s
        asked = (until - datetime.now(UTC)).total_seconds() if until else 0.0
        await _rest(stop, max(asked, wait * random.uniform(0.5, 1.0)))  # noqa: S311  jitter
        wait = min(2 * wait, pace.longest_wait_s)


async def _read(source: LiveSource, intake: Intake, stop: asyncio.Event) -> Reading | None:
    """Read until a fault, `stop`, or nobody asks any more; None when nobody asks, or it must rest.

    Which events ask is looked up all the time, and the source told without a new connection.
    """
    if not (events := await _asking(source, intake)):
        return None
    if await asyncio.to_thread(intake.limited_until, source.name, EVERY_EVENT):
        return None
    position = await asyncio.to_thread(intake.position_of, source.name, EVERY_EVENT)
    ended = asyncio.Event()

    async def look_again() -> None:
        nonlocal events
        try:
            while events and not await _rest(stop, intake.look_every_s):
                events = await _asking(source, intake)
        finally:
            ended.set()

    looking = asyncio.create_task(look_again())
    reading = Reading(source.name, EVERY_EVENT)
    try:
        await intake.take(reading, source.follow(lambda: events, position), position, ended)
    finally:
        looking.cancel()
        await asyncio.wait({looking})
    if not looking.cancelled():
        looking.result()  # what kept it from looking ended the reading
    return reading


async def _asking(source: LiveSource, intake: Intake) -> tuple[Event, ...]:
    return tuple(event for event in await intake.events() if source.name in event.sources)


async def _rest(stop: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until `stop` is set; says whether it is."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()
