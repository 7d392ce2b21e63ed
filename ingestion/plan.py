"""Which source is to be read for which event."""

from dataclasses import dataclass
from datetime import UTC, datetime

from barometer.database import ready_engine
from barometer.events import tracked
from barometer.settings import Settings
from barometer.source_states import readings
from ingestion.catalog import KINDS


@dataclass(frozen=True)
class Planned:
    """One source to be read for one event."""

    source: str
    event: str
    missing: str | None = None
    """The settings that the source lacks: it cannot be read."""


def plan_readings(settings: Settings) -> list[Planned]:
    """Every tracked event with each of its sources that are asked, the longest unread first.

    So that what one run had no time for is the first of the next.
    """
    engine = ready_engine(settings)
    missing = {kind.name: kind.missing(settings) for kind in KINDS if kind.polled}
    read_at = {(row.source, row.key): row.updated_at for row in readings(engine)}
    never = datetime.min.replace(tzinfo=UTC)
    planned = [
        Planned(name, event.slug, missing[name])
        for event in tracked(engine)
        for name in event.sources
        if name in missing
    ]
    return sorted(planned, key=lambda one: read_at.get((one.source, one.event), never))
