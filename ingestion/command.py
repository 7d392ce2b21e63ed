"""`barometer ingest`: read a source for the tracked events, or follow the live ones."""

import asyncio
import signal
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import Engine

from barometer.back_pressure import Pressure
from barometer.brokers import answering_broker
from barometer.database import database_url, engine_for, ready_engine
from barometer.errors import (
    ConflictError,
    InputError,
    NotFoundError,
    SettingsError,
    UnavailableError,
)
from barometer.events import Event, event_row, new_event, track, tracked
from barometer.settings import Settings
from ingestion.calls.leaving import run
from ingestion.catalog import KINDS, kind_of
from ingestion.following import follow_all
from ingestion.intake import Intake, Reading
from ingestion.plan import Planned
from ingestion.reading import read_source
from ingestion.replay import Recording, ReplaySource, bundled_recording, load_recording
from ingestion.source import Source

log = structlog.get_logger()
BROKER_WAIT_S = 30.0
PUBLISHING_S = 30.0
"""Seconds that the stream may take for what a reading of limited time brought."""


def recording(settings: Settings) -> Recording:
    """The recording in force: `BAROMETER_REPLAY`, or the bundled one."""
    return load_recording(Path(settings.replay) if settings.replay else bundled_recording())


def track_recorded(settings: Settings) -> list[Event]:
    """Track the events that the recording tells of; those that are tracked already stay."""
    engine = ready_engine(settings)
    events = []
    for title in recording(settings).event_titles():
        event = new_event(title, sources=("replay",))
        try:
            events.append(track(engine, event))
        except ConflictError:
            events.append(event)
    return events


def ingest_once(settings: Settings, name: str, slug: str | None = None) -> list[Reading]:
    """Read source `name` for one tracked event, or for all that ask for it.

    Raises:
        InputError: there is no such source, or it is only followed.
        NotFoundError: no such event is tracked.
        SettingsError: the source lacks a setting.
        UnavailableError: the stream or the database does not answer.
    """
    if name == "replay":
        track_recorded(settings)
        lasts = timedelta(minutes=settings.replay_minutes)
        source: Source = ReplaySource(recording(settings), lasts)
    else:
        kind = kind_of(name)
        if not kind.polled:
            raise InputError(f"source: {name!r} is followed: add --follow.", "source")
        source = kind.open_polled(settings)
    engine = ready_engine(settings)
    known = tracked(engine)
    events = [e for e in known if slug in (None, e.slug) and (slug or name in e.sources)]
    if slug is not None and not events:
        raise NotFoundError(f"event: {slug!r} is not tracked; `barometer track` adds it.")
    intake = _intake(settings, engine)

    async def read_all() -> list[Reading]:
        return list(await asyncio.gather(*(read_source(source, event, intake) for event in events)))

    return asyncio.run(read_all())


def read_planned(settings: Settings, planned: Planned, within_s: float) -> Reading:
    """Read one source for one event, in `within_s` seconds or as far as that goes.

    Many may run in threads of one process, and one whose source hangs ends nevertheless. The
    database is at its newest revision: `plan_readings` saw to it.

    Raises:
        NotFoundError: the event is not tracked any more.
        SettingsError: the source lacks a setting.
        OverloadedError: too many posts wait for the scorers.
        UnavailableError: the stream or the database does not answer.
    """
    source = kind_of(planned.source).open_polled(settings)
    engine = engine_for(database_url(settings))
    event = Event.model_validate(event_row(engine, planned.event))
    with closing(answering_broker(settings, wait_s=BROKER_WAIT_S)) as broker:
        pressure = Pressure(broker, settings.stream_high_water)
        pressure.check()
        reading = read_source(source, event, Intake(broker, pressure, engine), within_s)
        try:
            return run(asyncio.wait_for(reading, within_s + PUBLISHING_S))
        except TimeoutError as error:
            pressure.check()
            raise UnavailableError("the stream has not taken what was read: try again.") from error


def follow_sources(settings: Settings, name: str | None = None) -> None:
    """Follow the live source `name`, or all that are ready, until SIGINT or SIGTERM.

    Then what came is published, the positions are saved, and this returns.

    Raises:
        InputError: there is no such source, or it cannot be followed.
        SettingsError: it lacks a setting, or none is ready.
        UnavailableError: the stream or the database does not answer.
    """
    ready = [kind for kind in KINDS if kind.live and not kind.missing(settings)]
    kinds = [kind_of(name)] if name else ready
    for kind in kinds:
        if not kind.live:
            raise InputError(
                f"source: {kind.name!r} cannot be followed; leave out --follow.", "source"
            )
    if not kinds:
        raise SettingsError("no live source is ready: `barometer sources` says what each lacks.")
    sources = {kind.name: kind.open_live(settings) for kind in kinds}
    intake = _intake(settings, ready_engine(settings))

    async def follow_until_stopped() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        log.info("following", sources=list(sources))
        await follow_all(sources, intake, stop)
        log.info("stopped", sources=list(sources))

    asyncio.run(follow_until_stopped())


def _intake(settings: Settings, engine: Engine) -> Intake:
    broker = answering_broker(settings, wait_s=BROKER_WAIT_S)
    return Intake(broker, Pressure(broker, settings.stream_high_water), engine)
