"""Which source is to be read for which event."""

from dataclasses import dataclass

from barometer.database import database_url, engine_for, migrate
from barometer.events import tracked
from barometer.settings import Settings
from ingestion.catalog import sources


@dataclass(frozen=True)
class Reading:
    """One source to be read for one event."""

    source: str
    event: str


def plan_readings(settings: Settings) -> list[Reading]:
    """Every tracked event with each of its sources that is ready; the others are left out."""
    url = database_url(settings)
    migrate(url)
    ready = {name for name, source in sources(settings).items() if not source.missing_setting()}
    return [
        Reading(name, event.slug)
        for event in tracked(engine_for(url))
        for name in event.sources
        if name in ready
    ]
