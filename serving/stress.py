"""A stress test of `/predict`: many callers ask at once, and what each saw is counted."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from barometer.errors import UnavailableError

SENTENCES = (
    "the night bus stays and i am so happy",
    "they cut the library hours again, i am furious",
    "nobody told us that the bridge is closed",
    "what a lovely evening at the harbour",
    "i am scared of what the storm will do",
    "the council meets at seven in the town hall",
    "so sad that the old cinema is gone",
    "the new tram line opened a year early, incredible",
)
TIMEOUT_S = 30.0
PAUSE_S = 0.05
"""After a request that found nobody, so that callers do not spin."""


@dataclass
class Seen:
    """What all callers saw."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    """Of answered requests."""
    failures: Counter[str] = field(default_factory=Counter)
    """By status or kind of fault."""
    models: Counter[str] = field(default_factory=Counter)
    """Answers by the model that they name."""

    @property
    def answered(self) -> int:
        """Requests that were answered with a prediction."""
        return len(self.latencies_ms)

    def summary(self) -> dict[str, Any]:
        """The figures; latencies in milliseconds, None where nothing was answered."""
        percentiles = dict.fromkeys((50, 95, 99))
        if self.latencies_ms:
            found = np.percentile(self.latencies_ms, list(percentiles))
            percentiles = dict(zip(percentiles, (round(float(p), 2) for p in found), strict=True))
        return {
            "requests": self.answered + self.failures.total(),
            "answered": self.answered,
            "failures": dict(self.failures),
            "models": dict(self.models),
            "seconds": round(self.seconds, 2),
            "requests_per_second": round(self.answered / self.seconds, 1) if self.seconds else 0.0,
            **{f"p{share}_ms": value for share, value in percentiles.items()},
        }

    def rows(self) -> list[tuple[str, Any]]:
        """The figures, one a row."""
        flat = self.summary()
        failures, models = flat.pop("failures"), flat.pop("models")
        return [
            *((name.replace("_", " "), str(value)) for name, value in flat.items()),
            *((f"failed: {kind}", str(count)) for kind, count in failures.items()),
            *((f"by {model}", str(count)) for model, count in models.items()),
        ]


async def stress(url: str, *, callers: int, seconds: float, same: bool, key: str) -> Seen:
    """Let `callers` ask for predictions during `seconds`; each text is new, or always the `same`.

    Raises:
        UnavailableError: the service is not ready.
    """
    seen = Seen()
    texts: Iterator[str] = (
        itertools.repeat(SENTENCES[0])
        if same
        else (f"{text} {number}" for number in itertools.count() for text in SENTENCES)
    )
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=callers, max_keepalive_connections=callers)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, limits=limits, timeout=TIMEOUT_S
    ) as http:
        try:
            (await http.get("/readyz")).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise UnavailableError(f"--url {url}: is not ready ({reason}).") from error
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(_ask_until(started + seconds, http, texts, seen))
        seen.seconds = time.perf_counter() - started
    return seen


async def _ask_until(end: float, http: httpx.AsyncClient, texts: Iterator[str], seen: Seen) -> None:
    while (begun := time.perf_counter()) < end:
        try:
            response = await http.post("/predict", json={"text": next(texts)})
        except httpx.HTTPError as error:
            seen.failures[type(error).__name__] += 1
            await asyncio.sleep(PAUSE_S)
            continue
        if response.is_success:
            seen.latencies_ms.append((time.perf_counter() - begun) * 1000)
            seen.models[response.json()["model_used"]] += 1
        else:
            seen.failures[str(response.status_code)] += 1
