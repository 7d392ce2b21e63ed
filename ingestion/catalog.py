"""The sources by name: read on a schedule, asked on demand, and shown to people."""

from dataclasses import dataclass

from barometer.settings import Settings
from ingestion.rss import RssSource
from ingestion.source import SearchableSource, Source


def sources(settings: Settings) -> dict[str, Source]:
    """Every source that the ingest flow reads; one that lacks a setting says which."""
    return {"rss": RssSource.from_settings(settings)}


def searchable(settings: Settings) -> list[SearchableSource]:
    """The configured sources that `/analyze` asks."""
    return [] if settings.news_search_url == "off" else [RssSource.from_settings(settings)]


@dataclass(frozen=True)
class SourceLine:
    """A source as people see it."""

    name: str
    state: str
    """`ready` or `missing setting`."""
    detail: str


def source_lines(settings: Settings) -> list[SourceLine]:
    """Every source with its state, those that are not read on a schedule included."""
    lines = [
        SourceLine("http", "ready", "programs send posts to POST /ingest"),
        SourceLine("replay", "ready", settings.replay or "plays the bundled posts"),
    ]
    for name, source in sources(settings).items():
        missing = source.missing_setting()
        detail = f"set {missing}" if missing else "searches news and reads feeds"
        lines.append(SourceLine(name, "missing setting" if missing else "ready", detail))
    return lines
