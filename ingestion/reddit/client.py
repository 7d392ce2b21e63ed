"""praw as every part of the reddit source uses it: who asks, in a thread, faults translated."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, Final, Self, TypeVar

import praw
import requests
from praw.exceptions import PRAWException
from prawcore.exceptions import (
    OAuthException,
    PrawcoreException,
    RequestException,
    ResponseException,
)
from pydantic import SecretStr

from barometer import __version__
from barometer.database import database_url, engine_for
from barometer.errors import SourceError
from barometer.settings import Settings
from ingestion.calls.allowance import Allowance
from ingestion.calls.answer import AnswerError, Limits
from ingestion.reddit.transport import SECRETS_REMEDY, LoopTransport

SOURCE: Final = "reddit"
PAGE: Final = 100
"""Posts of one answer: Reddit gives no more."""
MAX_PAGES: Final = 10
"""Answers that one listing is read through: Reddit's own end at about 1,000 posts."""
CALLS_A_MINUTE: Final = 100
"""Reddit's limit for one app (its Data API rules: 100 queries a minute for each client id)."""
UNREADABLE: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError,
                     TypeError, ValueError)  # fmt: skip
"""What praw raises over an answer that is no listing."""

T = TypeVar("T")


@dataclass(frozen=True)
class RedditAccess:
    """Who asks Reddit, and how much an answer may cost."""

    client_id: str
    client_secret: SecretStr
    username: str
    password: SecretStr
    """Empty: the app reads without an account."""
    allowance: Allowance
    timeout_s: float
    max_bytes: int

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """As the settings say; all processes on one database share one allowance."""
        engine = engine_for(database_url(settings))
        return cls(
            client_id=settings.reddit_client_id,
            client_secret=settings.reddit_client_secret,
            username=settings.reddit_username,
            password=settings.reddit_password,
            allowance=Allowance(engine, SOURCE, CALLS_A_MINUTE, timedelta(minutes=1)),
            timeout_s=settings.source_timeout_s,
            max_bytes=settings.source_max_bytes,
        )

    @property
    def user_agent(self) -> str:
        """As Reddit's API rules want it: platform, app, version and who answers for it."""
        return f"{sys.platform}:barometer:{__version__} (by /u/{self.username})"

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator["RedditClient", None]:
        """Praw for one reading, with its connections and its token."""
        limits = Limits(
            timeout_s=self.timeout_s,
            max_bytes=self.max_bytes,
            max_bytes_setting="BAROMETER_SOURCE_MAX_BYTES",
        )
        transport = LoopTransport(self.allowance, limits)
        try:
            yield RedditClient(self._praw(transport), transport)
        finally:
            await transport.aclose()

    def _praw(self, transport: LoopTransport) -> praw.Reddit:
        session = requests.Session()
        session.mount("https://", transport)
        session.mount("http://", transport)
        # Everything that a praw.ini of some folder could say otherwise is said here.
        return praw.Reddit(
            "DEFAULT",
            requestor_kwargs={"session": session},
            client_id=self.client_id,
            client_secret=self.client_secret.get_secret_value(),
            username=self.username,
            password=self.password.get_secret_value() or None,
            refresh_token=None,
            redirect_uri=None,
            user_agent=self.user_agent,
            reddit_url=os.environ.get("praw_reddit_url", "https://www.reddit.com"),  # noqa: SIM112
            oauth_url=os.environ.get("praw_oauth_url", "https://oauth.reddit.com"),  # noqa: SIM112
            check_for_updates=False,
            check_for_async=False,
        )


class RedditClient:
    """praw, called in a thread, one call at a time."""

    def __init__(self, reddit: praw.Reddit, transport: LoopTransport) -> None:
        self.reddit = reddit
        self._transport = transport

    async def call(self, work: Callable[[], T]) -> T:
        """What `work` returns, which runs in a thread and does nothing but ask praw.

        When the caller is cancelled, the exchange under way is broken off, and the thread ends.

        Raises:
            SourceError: Reddit answered with a fault, or what it answered cannot be read.
        """
        running = asyncio.create_task(asyncio.to_thread(work))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._transport.leave()
            await asyncio.wait({running})
            if not running.cancelled():
                running.exception()  # nobody else looks at it
            raise
        except (PrawcoreException, PRAWException, *UNREADABLE) as fault:
            # Without its cause: praw's exceptions carry the request, credentials included.
            raise _named(fault) from None

    async def until_known(
        self, listing: Iterator[Any], is_known: Callable[[Any], bool]
    ) -> list[Any]:
        """What a listing that begins with the newest holds before what is known.

        Raises:
            SourceError: Reddit answered with a fault.
        """
        found: list[Any] = []
        for _ in range(MAX_PAGES):
            page = await self.call(lambda: list(islice(listing, PAGE)))
            found += [thing for thing in page if not is_known(thing)]
            if len(page) < PAGE or is_known(page[-1]):
                break
        return found


def _named(fault: Exception) -> SourceError:
    if isinstance(fault, RequestException):
        cause = fault.original_exception
        if isinstance(cause, AnswerError):
            return SourceError(f"{SOURCE}: Reddit {cause}.", until=cause.not_before)
        if isinstance(cause, SourceError):
            return cause
        return SourceError(f"{SOURCE}: Reddit cannot be asked ({type(cause).__name__}).")
    if isinstance(fault, OAuthException):
        return SourceError(f"{SOURCE}: Reddit gives no token: {SECRETS_REMEDY}.")
    if isinstance(fault, ResponseException) and fault.response.status_code != requests.codes.ok:
        status = fault.response.status_code
        unknown = ": no such subreddit; correct BAROMETER_REDDIT_SUBREDDITS"
        remedy = {
            302: unknown,
            401: f": {SECRETS_REMEDY}",
            403: f": a subreddit is private, or the app may not read: {SECRETS_REMEDY}, and "
            "BAROMETER_REDDIT_SUBREDDITS",
            404: unknown,
        }.get(status, "")
        return SourceError(f"{SOURCE}: Reddit answered {status}{remedy}.")
    return SourceError(
        f"{SOURCE}: Reddit sent an answer that is no listing; if it lasts, Barometer or praw needs "
        "an update."
    )
