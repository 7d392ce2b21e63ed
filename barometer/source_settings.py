"""The settings of the sources: who may be asked, as whom, and how much. Part of `Settings`."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from barometer.file_columns import parse_columns
from barometer.webhooks import parse_secrets

OFF = "off"
"""Switches a source off that needs no key."""
ANY_LANGUAGE = "any"


def split(value: Any) -> Any:
    """A list in one environment variable: parts separated by spaces or commas."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


class SourceSettings(BaseSettings):
    """What the sources need. Each field's docstring is its help."""

    model_config = SettingsConfigDict(use_attribute_docstrings=True)

    replay: str = ""
    """A jsonl file to replay instead of the bundled posts."""
    replay_minutes: float = Field(15.0, gt=0, le=24 * 60)
    """Minutes that one pass of a replay lasts, however long its story took."""
    news_search_url: str = (
        "https://news.google.com/rss/search?q={keyword}&hl=en-US&gl=US&ceid=US:en"
    )
    """RSS search for a keyword; `{keyword}` is replaced. `off` switches it off."""
    feeds: Annotated[tuple[str, ...], NoDecode] = ()
    """RSS or Atom feeds to read for every event, separated by spaces or commas."""
    feed_timeout_s: float = Field(10.0, gt=0, le=120)
    """Seconds a feed may take to answer."""
    feed_max_bytes: int = Field(5_000_000, ge=1_000)
    """Largest feed body that is read."""
    reddit_client_id: str = ""
    """Id of a "script" app at Reddit (reddit.com/prefs/apps)."""
    reddit_client_secret: SecretStr = SecretStr("")
    """That app's secret."""
    reddit_username: str = ""
    """The Reddit account that the app belongs to; its name is told in the user agent."""
    reddit_password: SecretStr = SecretStr("")
    """That account's password; empty: the app reads without an account."""
    reddit_subreddits: Annotated[tuple[str, ...], NoDecode] = ("all",)
    """Subreddits to search and follow, separated by spaces or commas."""
    news_api_key: SecretStr = SecretStr("")
    """Key of newsapi.org."""
    news_api_url: str = "https://newsapi.org/v2"
    """Where that API is."""
    news_language: str = "en"
    """Language of the articles that it is asked for, such as en or de, or `any`."""
    news_sources: Annotated[tuple[str, ...], NoDecode] = ()
    """Publishers to search at newsapi.org, such as bbc-news, separated by spaces or commas; empty:
    all."""
    news_daily_requests: int = Field(100, ge=1)
    """Requests to newsapi.org in 24 hours, which the events that ask for it share evenly; its free
    plan allows 100."""
    bluesky_url: str = "wss://jetstream2.us-east.bsky.network/subscribe"
    """Bluesky's Jetstream; `off` switches the source off."""
    mastodon_servers: Annotated[tuple[str, ...], NoDecode] = ("https://mastodon.social",)
    """Mastodon servers to read, separated by spaces or commas; `off` switches the source off."""
    x_bearer_token: SecretStr = SecretStr("")
    """Bearer token of an app at X (developer.x.com)."""
    x_api_url: str = "https://api.x.com"
    """Where that API is."""
    x_monthly_posts: int = Field(10_000, ge=10)
    """Posts that may be read from X in 30 days, as the plan allows."""
    hackernews_url: str = "https://hn.algolia.com/api/v1"
    """Search of Hacker News' comments; `off` switches the source off."""
    files_dir: str = ""
    """Folder that is watched for csv, jsonl and parquet files of posts."""
    files_columns: str = ""
    """Which of their columns is which field, such as `text=review created_at=date id=ticket`;
    empty: columns have the fields' names."""
    webhook_secrets: SecretStr = SecretStr("")
    """Secrets of signed calls, as `name:secret` entries separated by spaces or commas; the name is
    the posts' source."""
    source_timeout_s: float = Field(10.0, gt=0, le=120)
    """Seconds that one call of an outside source may take."""
    source_max_bytes: int = Field(10_000_000, ge=1_000)
    """Largest answer of an outside source that is read."""
    author_names: Literal["hashed", "plain", "none"] = "hashed"
    """How the names of posts' authors are kept: `hashed` with a key of this installation, `plain`,
    or not at all."""
    author_key: SecretStr = SecretStr("")
    """Key of those hashes; empty: one is made in the state folder."""
    languages: Annotated[tuple[str, ...], NoDecode] = ("en",)
    """Languages that the model reads, such as en; posts in others are kept and marked, and shares
    leave them out unless asked."""

    @field_validator(
        "feeds", "reddit_subreddits", "news_sources", "mastodon_servers", "languages", mode="before"
    )
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return split(value)

    @field_validator("reddit_subreddits")
    @classmethod
    def _are_subreddits(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        plain = tuple(re.sub(r"^/?r/|/$", "", name) for name in names)
        if not all(re.fullmatch(r"\w[\w+-]{0,500}", name, re.ASCII) for name in plain):
            raise ValueError("must name subreddits, such as news or worldnews, or be 'all'")
        return plain

    @field_validator("files_columns")
    @classmethod
    def _are_columns(cls, value: str) -> str:
        parse_columns(value)
        return value

    @field_validator("webhook_secrets")
    @classmethod
    def _are_secrets(cls, value: SecretStr) -> SecretStr:
        parse_secrets(value.get_secret_value())
        return value

    @field_validator("languages")
    @classmethod
    def _are_codes(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        codes = tuple(dict.fromkeys(code.lower() for code in languages))
        if not 1 <= len(codes) <= 20 or not all(re.fullmatch("[a-z]{2,3}", c) for c in codes):
            raise ValueError("must be 1 to 20 ISO 639 codes, such as en or de")
        return codes

    @field_validator("news_search_url")
    @classmethod
    def _has_keyword(cls, value: str) -> str:
        if value != OFF and "{keyword}" not in value:
            raise ValueError("must contain {keyword}, or be 'off'")
        return value

    @field_validator("news_api_url", "x_api_url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("must begin with https:// or http://")
        return value.rstrip("/")

    @field_validator("bluesky_url")
    @classmethod
    def _is_socket(cls, value: str) -> str:
        if value != OFF and not value.startswith(("wss://", "ws://")):
            raise ValueError("must begin with wss:// or ws://, or be 'off'")
        return value

    @field_validator("hackernews_url")
    @classmethod
    def _is_search(cls, value: str) -> str:
        if value != OFF and not value.startswith(("https://", "http://")):
            raise ValueError("must begin with https:// or http://, or be 'off'")
        return value.rstrip("/")

    @field_validator("mastodon_servers")
    @classmethod
    def _are_servers(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        if servers == (OFF,):  # kept: what is passed on empty would be the default again
            return servers
        if any(not server.startswith(("https://", "http://")) for server in servers):
            raise ValueError("each must begin with https:// or http://, or all of it be 'off'")
        return tuple(server.rstrip("/") for server in servers)
