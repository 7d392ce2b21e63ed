"""`barometer ingest --offline`: which sources are read into the collection, and reading them."""

import asyncio
from dataclasses import dataclass, field

from barometer.authors import Authors
from barometer.database import database_url, engine_for, ready_engine
from barometer.errors import InputError, NotFoundError, UnavailableError
from barometer.events import tracked
from barometer.settings import Settings
from ingestion.catalog import KINDS, SourceKind, kind_of
from ingestion.intake import Reading
from ingestion.plan import Planned
from ingestion.reading import read_source


@dataclass
class CollectPlan:
    """What is to be read, and what is left out."""

    readings: list[Planned] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Sources that an event asks for and that are not read, with the reason."""


def plan_collecting(settings: Settings, name: str = "", slug: str = "") -> CollectPlan:
    """Each tracked event's sources that can be read and may be learned from.

    Args:
        settings: they say which sources are ready.
        name: only this source.
        slug: only this event; with `name`, whether or not it asks for it.

    Raises:
        InputError: there is no such source.
        NotFoundError: no such event is tracked.
    """
    engine = ready_engine(settings)
    events = [event for event in tracked(engine) if slug in ("", event.slug)]
    if slug and not events:
        raise NotFoundError(f"event: {slug!r} is not tracked; `barometer track` adds it.")
    plan = CollectPlan()
    for kind in [kind_of(name)] if name else KINDS:
        asking = [e for e in events if (name and slug) or kind.name in e.sources]
        reason = _left_out(kind, settings)
        if reason and (asking or name):
            plan.left_out[kind.name] = reason
        elif not reason:
            plan.readings += [Planned(kind.name, event.slug) for event in asking]
    return plan


def collect(settings: Settings, planned: Planned) -> Reading:
    """Read one source for one event into the collection.

    Raises:
        InputError: there is no such source, or its posts may not be learned from.
        NotFoundError: no such event is tracked.
        SettingsError: the source lacks a setting.
        StorageError: the collection cannot be written.
        UnavailableError: pyarrow is not installed, or the database does not answer.
    """
    try:
        from ingestion.offline.intake import Collecting  # noqa: PLC0415  pyarrow comes with an extra
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"collecting posts needs {error.name}, which is not installed: pip install "
            "'barometer[ops]'."
        ) from error
    kind = kind_of(planned.source)
    if not kind.may_train or not kind.polled:
        raise InputError(f"source: {kind.name!r} {_left_out(kind, settings)}.", "source")
    source = kind.open_polled(settings)
    engine = engine_for(database_url(settings))
    event = next((event for event in tracked(engine) if event.slug == planned.event), None)
    if event is None:
        raise NotFoundError(f"event: {planned.event!r} is not tracked; `barometer track` adds it.")
    with Collecting(settings.state / "collected", engine, Authors(settings)) as collecting:
        return asyncio.run(read_source(source, event, collecting))


def _left_out(kind: SourceKind, settings: Settings) -> str | None:
    if not kind.may_train:
        return "is left out: its terms allow no model to learn from its posts"
    if not kind.polled:
        return "is left out: it can only be followed"
    missing = kind.missing(settings)
    return f"is left out: set {missing}" if missing else None
