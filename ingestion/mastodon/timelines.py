"""Hashtags and public timelines of Mastodon servers, as they show them without a login.

https://docs.joinmastodon.org/methods/timelines/ tells the protocol.
"""

import unicodedata
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Final, Self

import httpx
from sqlalchemy import Engine

from barometer.database import database_url, engine_for
from barometer.errors import SourceError
from barometer.events import Event
from barometer.posts import Post
from barometer.settings import Settings
from ingestion.calls.allowance import Allowance
from ingestion.calls.answer import AnswerError, Limits
from ingestion.calls.client import HttpClient, server_of
from ingestion.calls.side_by_side import side_by_side
from ingestion.mastodon.memory import ServerMemory, forget_others
from ingestion.mastodon.server import PERIOD, MastodonServer, Page, timelines_of
from ingestion.mastodon.status import SOURCE, post_of
from ingestion.source import Position

REQUESTS: Final = 300
"""Requests that a server allows an address in 5 minutes, as Mastodon's pages say."""


class MastodonSource:
    """Reads `servers`, each within its limit of `requests` in 5 minutes.

    `timeout_s` bounds one attempt of one request, `max_bytes` its body; `engine` holds what was
    asked of each server lately.
    """

    name = SOURCE

    def __init__(
        self,
        *,
        servers: Sequence[str],
        engine: Engine,
        timeout_s: float,
        max_bytes: int,
        requests: int = REQUESTS,
    ) -> None:
        self._servers = {server_of(server): server for server in servers}
        self._engine = engine
        self._requests = requests
        self._limits = Limits(
            timeout_s=timeout_s, max_bytes=max_bytes, max_bytes_setting="BAROMETER_SOURCE_MAX_BYTES"
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The source as the settings describe it."""
        return cls(
            servers=settings.mastodon_servers,
            engine=engine_for(database_url(settings)),
            timeout_s=settings.source_timeout_s,
            max_bytes=settings.source_max_bytes,
        )

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        """Yield what is new: under the hashtags of the keywords, and what mentions the event.

        The servers are read at the same time; one that fails does not stop the others, and one
        that asked for a pause gets it. A status that two servers show is one post.

        Raises:
            SourceError: at the end, with the fault of each server that failed; says until when if
                all of them are to be left alone. The position is to be saved even then.
        """
        timelines = timelines_of(hashtags_of(event))
        paths = {timeline.path for choices in timelines for timeline in choices}
        forget_others(position, self._servers)
        memories = {host: ServerMemory(position, host) for host in self._servers}
        due = {host: memory for host, memory in memories.items() if not memory.paused_until}
        faults: list[str] = []
        yielded: set[str] = set()
        async with AsyncExitStack() as stack:
            readings: dict[str, AsyncGenerator[Page, None]] = {}
            for host, memory in due.items():
                memory.pause(None)
                memory.keep_only(paths)
                client = await stack.enter_async_context(self._client(host))
                server = MastodonServer(self._servers[host], host, client, memory)
                readings[host] = server.pages(timelines)
            pages = await stack.enter_async_context(aclosing(side_by_side(readings)))
            async for host, page in pages:
                memory = memories[host]
                if isinstance(page, AnswerError):
                    faults.append(f"{host} {page}")
                    memory.pause(page.not_before)
                    continue
                timeline = page.timeline
                for status in page.statuses:
                    post = None
                    if not memory.has_read(timeline.path, status.id):
                        post = post_of(status, host)
                    if (
                        post is not None
                        and post.id not in yielded
                        and (timeline.about_event or event.is_mentioned_in(post.text))
                    ):
                        yielded.add(post.id)
                        yield post
                    memory.take(timeline.path, status.id)  # the caller came back for more
        self._tell(faults, list(memories.values()), len(due))

    def _tell(self, faults: Sequence[str], memories: Sequence[ServerMemory], asked: int) -> None:
        pauses = [until for memory in memories if (until := memory.paused_until)]
        until = min(pauses) if len(pauses) == len(memories) else None
        if faults:
            raise SourceError(
                f"mastodon: {len(faults)} of {asked} servers failed ({'; '.join(sorted(faults))}), "
                "what the others hold was read; if it lasts, correct BAROMETER_MASTODON_SERVERS.",
                until=until,
            )
        if not asked and until:
            raise SourceError(
                "mastodon: every server is left alone, the first until "
                f"{until:%Y-%m-%d %H:%M:%S} UTC.",
                until=until,
            )

    def _client(self, host: str) -> HttpClient:
        name = f"{SOURCE} {host}"[:64]
        allowance = Allowance(self._engine, name, self._requests, PERIOD)
        return HttpClient(
            self._limits,
            purpose="public posts",
            accept="application/json",
            good=(httpx.codes.OK, httpx.codes.NOT_FOUND),
            turn=partial(_turn, allowance),
        )


def hashtags_of(event: Event) -> list[str]:
    """The event's keywords as hashtags: without case, spaces and marks; one needs a letter."""
    joined = (
        "".join(char for char in unicodedata.normalize("NFKC", keyword).lower() if _counts(char))
        for keyword in event.keywords
    )
    return [tag for tag in dict.fromkeys(joined) if any(char.isalpha() for char in tag)]


def _counts(char: str) -> bool:
    return char.isalnum() or char == "_" or unicodedata.category(char)[0] == "M"


async def _turn(allowance: Allowance) -> None:
    try:
        await allowance.acquire(patience_s=0)
    except SourceError as spent:
        raise AnswerError(
            f"was asked as often as it allows and is left alone until "
            f"{spent.until:%Y-%m-%d %H:%M:%S} UTC",
            not_before=spent.until,
        ) from spent
