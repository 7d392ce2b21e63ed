"""The timelines of one Mastodon server, page by page, as far as it shows them without a login."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, quote

import httpx
import structlog

from ingestion.calls.answer import Answer, AnswerError
from ingestion.calls.client import HttpClient
from ingestion.calls.json_items import items_of, json_of
from ingestion.calls.pauses import resets_at
from ingestion.mastodon.memory import BEGINNING, ServerMemory
from ingestion.mastodon.status import Status

log = structlog.get_logger()
PER_PAGE: Final = 40
"""Statuses on a page: the most that Mastodon gives."""
FIRST_PAGES: Final = 3
"""Pages that are read of a timeline that was never read."""
MAX_PAGES: Final = 25
"""Pages of one timeline in one reading; what is left is read the next time."""
PERIOD: Final = timedelta(minutes=5)
"""Time over which Mastodon counts requests."""
NEEDS_LOGIN: Final = (httpx.codes.UNAUTHORIZED, httpx.codes.UNPROCESSABLE_ENTITY)
"""How newer and older servers refuse a timeline."""
UNKNOWN_TAG: Final = {"error": "Record not found"}


@dataclass(frozen=True, slots=True)
class Timeline:
    """A list of statuses on a server, newest first."""

    path: str
    kind: str
    """What a server allows or refuses, for people."""
    of_server_only: bool
    about_event: bool
    """Whether all its statuses are about the event."""


@dataclass(frozen=True, slots=True)
class Page:
    """Statuses of one timeline, oldest first."""

    timeline: Timeline
    statuses: list[Status]


PUBLIC: Final = Timeline("public", "public timeline", of_server_only=True, about_event=False)
"""What is written on the server itself: all that it hears of others would be more than its limit
lets through."""


def timelines_of(tags: Sequence[str]) -> list[tuple[Timeline, ...]]:
    """What is read of a server, and instead of what it refuses.

    Some show their own statuses under a hashtag, and those of other servers after a login only.
    """
    paths = [f"tag/{quote(tag, safe='')}" for tag in tags]
    tagged = [
        (
            Timeline(path, "hashtags", of_server_only=False, about_event=True),
            Timeline(path, "hashtags of its own users", of_server_only=True, about_event=True),
        )
        for path in paths
    ]
    return [*tagged, (PUBLIC,)]


class MastodonServer:
    """One server; `host` is what people see of its `address`."""

    def __init__(self, address: str, host: str, client: HttpClient, memory: ServerMemory) -> None:
        self._address = address
        self._host = host
        self._client = client
        self._memory = memory

    async def pages(self, timelines: Sequence[tuple[Timeline, ...]]) -> AsyncGenerator[Page, None]:
        """Yield what is new on the timelines, of each tuple the first that is not refused.

        Ends early when the server's limit is reached: the memory then says until when.

        Raises:
            AnswerError: a timeline cannot be read, or all of them need a login.
        """
        refused: set[str] = set()
        has_read = False
        for choices in timelines:
            for timeline in choices:
                if timeline.kind in refused or self._memory.is_refused(timeline.kind):
                    continue
                try:
                    async with aclosing(self._read(timeline)) as pages:
                        async for page in pages:
                            yield page
                except AnswerError as fault:
                    if fault.answered not in NEEDS_LOGIN:
                        raise
                    refused.add(timeline.kind)
                    continue
                has_read = True
                break
            if self._memory.paused_until:
                break
        if refused and not has_read:
            raise AnswerError("shows its timelines only to those who log in")
        for kind in refused:
            self._memory.refuse(kind)
            log.info("mastodon server wants a login; the rest is read", server=self._host, of=kind)

    async def _read(self, timeline: Timeline) -> AsyncGenerator[Page, None]:
        start = self._memory.start(timeline.path)
        if start is None:
            yield Page(timeline, await self._newest(timeline))
            if self._memory.start(timeline.path) is None:
                self._memory.take(timeline.path, BEGINNING)
            return
        for _ in range(MAX_PAGES):
            statuses, links = await self._ask(timeline, {"min_id": start})
            newest = _cursor(links, "prev", "min_id") or (statuses[0].id if statuses else start)
            yield Page(timeline, statuses[::-1])
            if newest == start or self._memory.paused_until:
                return
            start = newest
        log.info("mastodon timeline goes on", server=self._host, of=timeline.kind)

    async def _newest(self, timeline: Timeline) -> list[Status]:
        """The newest statuses of a timeline that was never read, oldest first."""
        found: list[Status] = []
        query: dict[str, str] = {}
        for _ in range(FIRST_PAGES):
            statuses, links = await self._ask(timeline, query)
            found += statuses
            older = _cursor(links, "next", "max_id")
            if older is None or not statuses or self._memory.paused_until:
                break
            query = {"max_id": older}
        return found[::-1]

    async def _ask(
        self, timeline: Timeline, query: Mapping[str, str]
    ) -> tuple[list[Status], Mapping[str, str]]:
        scope = {"local": "true"} if timeline.of_server_only else {}
        url = f"{self._address}/api/v1/timelines/{timeline.path}"
        answer = await self._client.get(url, query={"limit": str(PER_PAGE), **scope, **query})
        self._heed_limit(answer)
        content = json_of(answer.content)
        if answer.status == httpx.codes.NOT_FOUND:
            if content == UNKNOWN_TAG:
                return [], {}
            raise AnswerError(f"answered {answer.status}", answered=answer.status)
        return items_of(content, Status, of=self._host), answer.links

    def _heed_limit(self, answer: Answer) -> None:
        if answer.headers.get("x-ratelimit-remaining", "").strip() == "0":
            reset = resets_at(answer.headers.get("x-ratelimit-reset", ""))
            self._memory.pause(reset or datetime.now(UTC) + PERIOD)


def _cursor(links: Mapping[str, str], relation: str, name: str) -> str | None:
    """The status that a link goes on from. The link itself may lead anywhere."""
    values = parse_qs(links.get(relation, "").partition("?")[2]).get(name, [""])
    return values[0] if 0 < len(values[0]) <= 100 else None
