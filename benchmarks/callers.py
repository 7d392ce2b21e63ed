"""Callers that ask a service at a steady rate, and what each of their requests came to."""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from serving.stress import SENTENCES

KEYWORDS = ("ferry", "tram", "harbour")
KNOWN = [f"{text}, as everybody said on day {day}" for day in range(50) for text in SENTENCES]
"""Texts that were classified before."""
LONG = "the night bus came late again and nobody told us why, so we walked home in the rain. " * 40
"""More tokens than an encoder of 512 places reads."""
TIMEOUT_S = 30.0
SEED = 11


@dataclass(frozen=True)
class Seen:
    """One request and what came of it."""

    at: float
    """When it was sent, in seconds of `time.perf_counter`."""
    ms: float
    """How long the answer took."""
    route: str
    fault: str
    """Status or kind of the failure; empty for an answer with labels in it."""
    by: str
    """`model_used`, or the model version of an analysis."""
    flagged: bool
    """Whether it says `fallback_used` or `degraded`."""
    honest: bool
    """Whether `fallback_used`, `model_used` and `confidence` agree."""


@asynccontextmanager
async def calling(url: str, callers: int, rate: float, own: str) -> AsyncIterator[list[Seen]]:
    """What the callers see, while they go on asking until the block ends.

    Args:
        url: the service.
        callers: requests that may be under way at once.
        rate: requests a second of all of them, as far as the answers come in time.
        own: what `model_used` begins with where a model of the service answered.
    """
    seen: list[Seen] = []
    stop = asyncio.Event()
    requests = _requests()
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S) as http:

        async def caller(place: int) -> None:
            due = time.perf_counter() + place / rate
            while not stop.is_set():
                await asyncio.sleep(due - time.perf_counter())
                seen.append(await _ask(http, *next(requests), own))
                due = max(due + callers / rate, time.perf_counter())

        async with asyncio.TaskGroup() as group:
            for place in range(callers):
                group.create_task(caller(place))
            try:
                yield seen
            finally:
                stop.set()


def _requests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Of ten requests one is an analysis, one a long text, four are known, four are new texts."""
    draw = random.Random(SEED)  # noqa: S311 - no secret
    for number in itertools.count():
        turn = number % 10
        if turn == 0:
            yield "/analyze", {"keyword": draw.choice(KEYWORDS)}
        elif turn == 5:
            yield "/predict", {"text": f"{number} {LONG}"}
        elif turn % 2:
            yield "/predict", {"text": draw.choice(KNOWN)}
        else:
            yield "/predict", {"text": f"{draw.choice(SENTENCES)} {number}"}


async def _ask(http: httpx.AsyncClient, route: str, body: dict[str, Any], own: str) -> Seen:
    at = time.perf_counter()
    try:
        response = await http.post(route, json=body)
    except httpx.HTTPError as error:
        return Seen(at, _since(at), route, type(error).__name__, "", flagged=False, honest=True)
    if response.status_code != 200:
        status = str(response.status_code)
        return Seen(at, _since(at), route, status, "", flagged=False, honest=True)
    said = response.json()
    if route == "/analyze":
        fault = "" if said["count"] else "no posts"
        by, flagged = f"{own}{said['model_version']}", said["degraded"]
        return Seen(at, _since(at), route, fault, by, flagged=flagged, honest=True)
    by, flagged = said["model_used"], said["fallback_used"]
    honest = flagged == (not by.startswith(own)) == (said["confidence"] is None)
    fault = "" if said["sentiment"] else "no label"
    return Seen(at, _since(at), route, fault, by, flagged=flagged, honest=honest)


def _since(at: float) -> float:
    return (time.perf_counter() - at) * 1000
