"""Analyses from Redis into the database, while the machine is idle or once they are old.

A live answer waits for Redis only. What was written is dropped from Redis after the commit, so a
sync that dies in between writes it again, which changes nothing.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Engine
from sqlalchemy.exc import DataError

from barometer.analyses import Key, key_of, stored_among, write
from barometer.analysis_queue import PAGE, AnalysisQueue, Entry
from barometer.client.contract import KeptAnalysis
from barometer.cpu import cpu_percent
from barometer.database import ready_engine
from barometer.redis_server import connected
from barometer.settings import Settings


@dataclass(frozen=True)
class Synced:
    """What one sync did, and what still waits."""

    written: int = 0
    known: int = 0
    """The database had them: a former sync died before it dropped them."""
    set_aside: int = 0
    """They cannot be stored, and no longer hold up the others."""
    waiting: int = 0
    oldest_s: int = 0
    """Seconds that the oldest of those has waited."""
    held_back: str | None = None
    """Why they were not written; null where nothing held them back."""


@dataclass(frozen=True)
class Recovered:
    """What a comparison of Redis with the database found."""

    cached: int
    """Answers in the cache."""
    queued: int
    """Answers that waited in the queue."""
    missing: int
    """Cached answers that neither the database nor the queue had."""
    put_back: int
    """Those of them that were queued again; the others found no room and are still cached."""


def sync_analyses(
    settings: Settings,
    *,
    now: bool = False,
    patience_s: float = 0.0,
    busy: Callable[[], float] = cpu_percent,
) -> Synced:
    """Write what waits, in batches, for as long as the CPU is idle or the oldest is too old.

    `now` asks for neither. `patience_s` is for how long an idle second is waited for, `busy` says
    how busy the CPU is, in per cent.

    Raises:
        UnavailableError: Redis or the database cannot be reached; everything keeps waiting.
    """
    queue = AnalysisQueue(connected(settings))
    begun = queue.waiting()
    done = Synced()
    if begun.count:
        engine = ready_engine(settings)
        until = time.monotonic() + patience_s
        # Not more than waits now: what is added meanwhile is for the next sync.
        for _ in range(math.ceil(begun.count / PAGE)):
            reason = None if now else _held_back(queue, settings, busy, until)
            if reason:
                done = replace(done, held_back=reason)
                break
            done = _settle(queue, engine, queue.oldest(), done)
    left = queue.waiting()
    return replace(done, waiting=left.count, oldest_s=round(left.oldest_s))


def recover_missing(settings: Settings) -> Recovered:
    """Queue those cached answers again that the database lacks, as after an older backup.

    It looks no further: an answer that Redis has lost is computed anew when it is asked for.

    Raises:
        UnavailableError: Redis or the database cannot be reached.
    """
    queue = AnalysisQueue(connected(settings))
    engine = ready_engine(settings)
    cached = 0
    missing: dict[Key, KeptAnalysis] = {}
    for page in queue.cached():
        cached += len(page)
        stored = stored_among(engine, [key_of(each) for each in page])
        missing |= {key_of(each): each for each in page if key_of(each) not in stored}
    # After the cache: what is computed meanwhile is in the queue before it is looked for there.
    queued = [entry.analysis for entry in queue.entries()]
    for waits in queued:
        if waits is not None:
            missing.pop(key_of(waits), None)
    put_back = queue.put_back(list(missing.values()))
    return Recovered(cached, len(queued), len(missing), put_back)


def _held_back(
    queue: AnalysisQueue, settings: Settings, busy: Callable[[], float], until: float
) -> str | None:
    """Why nothing may be written now; None where it may."""
    while True:
        waiting = queue.waiting()
        if waiting.oldest_s >= settings.sync_max_age_s:
            return None
        percent = busy()
        if percent < settings.sync_cpu_percent:
            return None
        if time.monotonic() >= until:
            return (
                f"the CPU is {percent:.0f} % busy, which is not under "
                f"{settings.sync_cpu_percent:g} %, and the oldest has waited "
                f"{waiting.oldest_s:.0f} s of {settings.sync_max_age_s:g}"
            )


def _settle(queue: AnalysisQueue, engine: Engine, entries: Sequence[Entry], done: Synced) -> Synced:
    """Write entries and drop them; what the database refuses is found by halving and set aside."""
    readable = [entry.analysis for entry in entries if entry.analysis is not None]
    try:
        new = write(engine, readable)
    except DataError as error:
        if len(entries) > 1:
            half = len(entries) // 2
            done = _settle(queue, engine, entries[:half], done)
            return _settle(queue, engine, entries[half:], done)
        queue.set_aside(entries[0], f"the database refuses it ({type(error.orig).__name__})")
        return replace(done, set_aside=done.set_aside + 1)
    for entry in entries:
        if entry.analysis is None:
            queue.set_aside(entry, "it has not the shape of an analysis")
    queue.drop([entry.id for entry in entries if entry.analysis is not None])
    return replace(
        done,
        written=done.written + new,
        known=done.known + len(readable) - new,
        set_aside=done.set_aside + len(entries) - len(readable),
    )
