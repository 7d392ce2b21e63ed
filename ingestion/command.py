"""`barometer ingest`: one source, for the tracked events, from the command line or a flow."""

import asyncio
from datetime import timedelta
from pathlib import Path

from barometer.database import database_url, engine_for, migrate
from barometer.errors import ConflictError, InputError, NotFoundError
from barometer.events import Event, new_event, track, tracked
from barometer.redis_server import connected
from barometer.settings import Settings
from barometer.stream import PostStream
from ingestion.catalog import sources
from ingestion.reading import Reading, read_source
from ingestion.replay import Recording, ReplaySource, bundled_recording, load_recording
from ingestion.source import Source

REDIS_WAIT_S = 30.0


def recording(settings: Settings) -> Recording:
    """The recording in force: `BAROMETER_REPLAY`, or the bundled one."""
    return load_recording(Path(settings.replay) if settings.replay else bundled_recording())


def track_recorded(settings: Settings) -> list[Event]:
    """Track the events that the recording tells of; those that are tracked already stay."""
    url = database_url(settings)
    migrate(url)
    events = []
    for title in recording(settings).event_titles():
        event = new_event(title, sources=("replay",))
        try:
            events.append(track(engine_for(url), event))
        except ConflictError:
            events.append(event)
    return events


def ingest_once(settings: Settings, name: str, slug: str | None = None) -> list[Reading]:
    """Read source `name` for one tracked event, or for all that ask for it.

    Raises:
        InputError: there is no such source.
        NotFoundError: no such event is tracked.
        UnavailableError: Redis or the database does not answer.
    """
    url = database_url(settings)
    if name == "replay":
        track_recorded(settings)
        source: Source = ReplaySource(
            recording(settings), timedelta(minutes=settings.replay_minutes)
        )
    elif name in sources(settings):
        migrate(url)
        source = sources(settings)[name]
    else:
        known = ", ".join(["replay", *sources(settings)])
        raise InputError(f"source: {name!r} is unknown; known: {known}.", "source")
    engine = engine_for(url)
    events = [e for e in tracked(engine) if slug in (None, e.slug) and (slug or name in e.sources)]
    if slug is not None and not events:
        raise NotFoundError(f"event: {slug!r} is not tracked; `barometer track` adds it.")
    stream = PostStream(connected(settings, wait_s=REDIS_WAIT_S))

    async def read_all() -> list[Reading]:
        return list(
            await asyncio.gather(*(read_source(source, event, stream, engine) for event in events))
        )

    return asyncio.run(read_all())
