"""A few posts straight from a source, for the person who sets it up; nothing is stored."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Final

from barometer.database import database_url, migrate
from barometer.errors import InputError, SourceError
from barometer.events import Event, new_event
from barometer.posts import Post
from barometer.settings import Settings
from barometer.webhooks import parse_secrets
from ingestion.calls.leaving import run
from ingestion.catalog import SourceKind, kind_of

READ_S: Final = 30.0
"""Seconds for a source that is asked."""
FOLLOW_S: Final = 20.0
"""Seconds for a source that is followed: somebody has to write about it meanwhile."""


@dataclass
class Sample:
    """What a source gave."""

    source: str
    keyword: str
    posts: list[Post] = field(default_factory=list)
    fault: SourceError | None = None
    """What went wrong, perhaps after some posts."""
    waited_s: float | None = None
    """For how long the source was followed in vain for more."""


def take_sample(
    settings: Settings, name: str, keyword: str, limit: int, *, within_s: float | None = None
) -> Sample:
    """At most `limit` posts of the source `name` about `keyword`, from the source as it runs.

    Needs no stream. What is asked counts in the source's allowance; no position is saved.

    Args:
        settings: what the source needs.
        name: a source of the catalogue; one that can be asked is asked, else it is followed.
        keyword: what the posts are to mention.
        limit: as many posts are enough.
        within_s: seconds that it may take; `READ_S` or `FOLLOW_S` if left out.

    Raises:
        InputError: there is no such source, or the keyword cannot be used.
        SettingsError: the source lacks a setting.
        UnavailableError: the database, which counts what is asked, does not answer.
    """
    if name in {
        "http",
        "replay",
        "webhook",
        *parse_secrets(settings.webhook_secrets.get_secret_value()),
    }:
        raise InputError(
            f"source: {name!r} is not fetched: its posts are sent to Barometer, or replayed.",
            "source",
        )
    kind = kind_of(name)
    event = new_event(keyword, [keyword], [name], slug="sample")
    migrate(database_url(settings))
    within_s = within_s or (READ_S if kind.polled else FOLLOW_S)
    return run(_take(_posts(kind, settings, event), Sample(name, keyword), kind, limit, within_s))


def _posts(kind: SourceKind, settings: Settings, event: Event) -> AsyncGenerator[Post, None]:
    if kind.polled:
        return kind.open_polled(settings).read(event, {})
    return kind.open_live(settings).follow(lambda: (event,), {})


async def _take(
    posts: AsyncGenerator[Post, None],
    sample: Sample,
    kind: SourceKind,
    limit: int,
    within_s: float,
) -> Sample:
    try:
        async with asyncio.timeout(within_s), contextlib.aclosing(posts):
            async for post in posts:
                sample.posts.append(post)
                if len(sample.posts) == limit:
                    break
    except SourceError as fault:
        sample.fault = fault
    except TimeoutError:
        sample.waited_s = within_s
        if kind.polled:
            sample.fault = SourceError(
                f"{kind.name}: its answer was not complete within {within_s:g} s; try again, and "
                "if it lasts, look whether this machine reaches it."
            )
    return sample
