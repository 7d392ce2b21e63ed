"""The sources by name: what each reads, what it needs, and whether a model may learn from it.

A source's module is imported when the source is opened: the service lists them all and must not
carry the libraries of each.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from barometer.errors import InputError, SettingsError
from barometer.settings import PREFIX, Settings
from barometer.source_settings import OFF
from barometer.terms import may_train
from ingestion.source import LiveSource, SearchableSource, Source


@dataclass(frozen=True)
class SourceKind:
    """A source that Barometer knows, open or not."""

    name: str
    reads: str
    """What it reads, for people."""
    needs: tuple[str, ...] = ()
    """Settings that it cannot work without; of `a|b`, one."""
    polled: str = ""
    """`module:Class` of its `Source`, if it is asked from time to time."""
    live: str = ""
    """`module:Class` of its `LiveSource`, if it is followed."""
    searched: str = ""
    """The setting with the address of its search, if its `Source` is a `SearchableSource` too."""

    @property
    def may_train(self) -> bool:
        """Whether the provider's terms allow a model to learn from its posts."""
        return may_train(self.name)

    def missing(self, settings: Settings) -> str | None:
        """The settings that it lacks, by their names, or None when it is ready."""
        lacking = [need for need in self.needs if not _is_set(settings, need)]
        named = [
            " or ".join(f"{PREFIX}{name.upper()}" for name in need.split("|")) for need in lacking
        ]
        *first, last = named or [""]
        return f"{', '.join(first)} and {last}" if first else last or None

    def open_polled(self, settings: Settings) -> Source:
        """Its `Source`.

        Raises:
            SettingsError: it lacks a setting.
        """
        source: Source = self._open(self.polled, settings)
        return source

    def open_live(self, settings: Settings) -> LiveSource:
        """Its `LiveSource`.

        Raises:
            SettingsError: it lacks a setting.
        """
        source: LiveSource = self._open(self.live, settings)
        return source

    def open_searchable(self, settings: Settings) -> SearchableSource:
        """Its `SearchableSource`.

        Raises:
            SettingsError: it lacks a setting.
        """
        source: SearchableSource = self._open(self.polled, settings)
        return source

    def _open(self, place: str, settings: Settings) -> Any:
        missing = self.missing(settings)
        if missing:
            raise SettingsError(
                f"source {self.name!r} needs {missing}; .env.example says where to get it."
            )
        module, _, name = place.partition(":")
        return getattr(import_module(module), name).from_settings(settings)


KINDS: Final = (
    SourceKind(
        "rss", "a news search for the keywords, and feeds", ("feeds|news_search_url",),
        polled="ingestion.feeds.rss:RssSource", searched="news_search_url",
    ),
    SourceKind(
        "reddit", "submissions and comments of subreddits",
        ("reddit_client_id", "reddit_client_secret", "reddit_username"),
        polled="ingestion.reddit.search:RedditSource", live="ingestion.reddit.live:RedditStream",
    ),
    SourceKind(
        "news", "articles and headlines of newsapi.org (24 hours late on its free plan)",
        ("news_api_key",),
        polled="ingestion.newsapi.search:NewsSource",
    ),
    SourceKind(
        "bluesky", "all of Bluesky as it is written", ("bluesky_url",),
        live="ingestion.bluesky.live:BlueskyStream",
    ),
    SourceKind(
        "mastodon", "hashtags and public timelines of chosen servers", ("mastodon_servers",),
        polled="ingestion.mastodon.timelines:MastodonSource",
    ),
    SourceKind(
        "x", "posts of X, without reposts", ("x_bearer_token",),
        polled="ingestion.x.search:XSource", live="ingestion.x.live:XStream",
    ),
    SourceKind(
        "hackernews", "comments and stories of Hacker News", ("hackernews_url",),
        polled="ingestion.hackernews.search:HackerNewsSource", searched="hackernews_url",
    ),
    SourceKind(
        "files", "csv, jsonl and parquet files of a watched folder", ("files_dir",),
        polled="ingestion.files.files:FilesSource",
    ),
)  # fmt: skip
"""Every source that an event may ask for."""


def kind_of(name: str) -> SourceKind:
    """The source of this name.

    Raises:
        InputError: there is none.
    """
    for kind in KINDS:
        if kind.name == name:
            return kind
    known = ", ".join(kind.name for kind in KINDS)
    raise InputError(f"sources: {name!r} is unknown; known: {known}.", "sources")


def searchable(settings: Settings) -> list[SearchableSource]:
    """The configured sources that `/analyze` asks."""
    return [
        kind.open_searchable(settings)
        for kind in KINDS
        if kind.searched and _is_set(settings, kind.searched)
    ]


def _is_set(settings: Settings, need: str) -> bool:
    values = [getattr(settings, name) for name in need.split("|")]
    plain = [v.get_secret_value() if hasattr(v, "get_secret_value") else v for v in values]
    return any(value not in {"", OFF, (), (OFF,)} for value in plain)
