"""Post batches to `/ingest` again and again until each is taken, and remember what was promised."""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from serving.faults.plan import Batch, Key

CALLERS: Final = 4
TIMEOUT_S: Final = 12.0
LONGEST_PAUSE_S: Final = 1.0
"""A caller comes again sooner than it was asked to, so that posts arrive while things break."""
PAUSE_S: Final = 0.2
ACCEPTED: Final = 202


@dataclass
class Posted:
    """What the callers were told."""

    accepted: set[Key] = field(default_factory=set)
    """Keys that a 202 counted as accepted or as a duplicate of what was accepted."""
    rejected: dict[Key, str] = field(default_factory=dict)
    """Reasons why the door refused a post."""
    answers: Counter[str] = field(default_factory=Counter)
    """Calls by their status, or by the kind of fault."""
    miscounted: int = 0
    """Answers whose counts did not add up to the posts that were sent."""

    @property
    def settled(self) -> int:
        """Posts that need not be sent again."""
        return len(self.accepted) + len(self.rejected)


class Poster:
    """Several callers that send every batch until it is answered with 202."""

    def __init__(self, url: str, batches: Sequence[Batch], pulses: int) -> None:
        """Send the batches in so many pulses, so that scorers have full hands when asked for it.

        Args:
            url: the service's.
            batches: what is sent, with each pulse as many.
            pulses: how often `pulse` will be called.
        """
        self._url = url
        self._waiting: deque[deque[Batch]] = deque(deque() for _ in range(pulses))
        for number, batch in enumerate(batches):
            self._waiting[number * pulses // len(batches)].append(batch)
        self._due: asyncio.Queue[Batch | None] = asyncio.Queue()
        self.posted = Posted()

    def pulse(self) -> None:
        """Send the next batches from now on."""
        for batch in self._waiting.popleft():
            self._due.put_nowait(batch)
        if not self._waiting:
            for _ in range(CALLERS):
                self._due.put_nowait(None)

    async def run(self) -> None:
        """Send all of it, as the pulses come.

        Raises:
            httpx.HTTPStatusError: the door refuses a call as such.
        """
        async with (
            httpx.AsyncClient(base_url=self._url, timeout=TIMEOUT_S) as http,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(CALLERS):
                group.create_task(self._call(http))

    async def _call(self, http: httpx.AsyncClient) -> None:
        while batch := await self._due.get():
            while not await self._send(http, batch):
                pass

    async def _send(self, http: httpx.AsyncClient, batch: Batch) -> bool:
        """Send it once, and say whether it was taken; if not, wait as long as the answer asks."""
        body = {"source": batch.source, "posts": batch.posts}
        try:
            response = await http.post("/ingest", json=body)
        except httpx.TransportError as error:
            self.posted.answers[type(error).__name__] += 1
            await asyncio.sleep(PAUSE_S)
            return False
        self.posted.answers[str(response.status_code)] += 1
        if response.status_code == ACCEPTED:
            self._note(batch, response.json())
            return True
        if response.status_code != httpx.codes.TOO_MANY_REQUESTS and response.is_client_error:
            response.raise_for_status()
        asked = float(response.headers.get("Retry-After", PAUSE_S))
        await asyncio.sleep(min(asked, LONGEST_PAUSE_S))
        return False

    def _note(self, batch: Batch, told: dict[str, Any]) -> None:
        refused = {line["index"]: line["reason"] for line in told["rejected"]}
        if told["accepted"] + told["duplicates"] + len(refused) != len(batch.posts):
            self.posted.miscounted += 1
            return
        for index, key in enumerate(batch.keys):
            if index in refused:
                self.posted.rejected[key] = refused[index]
            else:
                self.posted.accepted.add(key)
