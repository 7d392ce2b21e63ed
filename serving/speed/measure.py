"""Rounds of classifying alone and of storing, latency at half load, and where the time goes."""

import json
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
import psutil

from barometer.errors import UnavailableError
from serving.speed.lane import LOOK_S, Lane
from serving.speed.processes import processor_s

LATE_S: Final = 60.0
"""Seconds after the last arrival that a post may take to be stored."""


@dataclass(frozen=True)
class Round:
    """One pass over all texts."""

    texts: int
    seconds: float
    processor_s: float
    """Of the measured process alone."""

    @property
    def rate(self) -> float:
        """Texts a second."""
        return self.texts / self.seconds

    @property
    def processor_ms(self) -> float:
        """Processor milliseconds a text."""
        return 1000 * self.processor_s / self.texts


def classify(bare: psutil.Popen, texts: Sequence[str]) -> Round:
    """One round of `serving.speed.bare`."""
    bare.stdin.write(json.dumps(list(texts)) + "\n")
    bare.stdin.flush()
    seconds, used = map(float, bare.stdout.readline().split())
    return Round(len(texts), seconds, used)


def drain(scorer: psutil.Popen, lane: Lane, texts: Sequence[str]) -> Round:
    """Let a scorer work off a stream that was filled while it stood still."""
    posts = lane.posts(texts)
    scorer.suspend()
    lane.publish(posts)
    used, began = processor_s(scorer), time.perf_counter()
    scorer.resume()
    lane.wait_until_empty(scorer)
    seconds = time.perf_counter() - began
    return Round(len(texts), seconds, processor_s(scorer) - used)


def shares(scorer: psutil.Popen, lane: Lane, texts: Sequence[str], file: Path) -> dict[str, float]:
    """What part of a round a scorer that `serving.speed.sampled` runs spends with what."""
    scorer.send_signal(signal.SIGUSR1)
    drain(scorer, lane, texts)
    scorer.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + LATE_S
    while not file.exists() or not file.stat().st_size:
        if time.monotonic() > deadline:
            raise UnavailableError("the sampled scorer wrote no shares.")
        time.sleep(LOOK_S)
    looks: dict[str, int] = json.loads(file.read_text())
    return {part: round(count / sum(looks.values()), 3) for part, count in sorted(looks.items())}


def latencies(lane: Lane, texts: Sequence[str], rate: float, seed: int) -> list[float]:
    """Milliseconds from the stream's taking a post to its committed row, for Poisson arrivals.

    Args:
        lane: one scorer works on it.
        texts: one a post.
        rate: posts a second, on average.
        seed: draws the gaps between them.
    """
    rng = Random(seed)  # noqa: S311 - arrivals that can be repeated, no secret
    posts = lane.posts(texts)
    taken: dict[str, float] = {}
    stored: dict[str, float] = {}
    watching = (lane, lane.last_row(), len(posts), stored)
    watcher = threading.Thread(target=_watch, args=watching, daemon=True)
    watcher.start()
    due = time.perf_counter()
    for post in posts:
        due += rng.expovariate(rate)
        time.sleep(max(0.0, due - time.perf_counter()))
        lane.publish([post])
        taken[post.id] = time.perf_counter()
    watcher.join(LATE_S)
    if len(stored) < len(posts):
        raise UnavailableError(f"{len(posts) - len(stored)} posts were not stored in {LATE_S:g} s.")
    return [1000 * (stored[post.id] - taken[post.id]) for post in posts]


def _watch(lane: Lane, seen: int, count: int, stored: dict[str, float]) -> None:
    """Note when each of `count` rows after `seen` is first there; looks every few milliseconds."""
    while len(stored) < count:
        for row, post in lane.rows_after(seen):
            stored[post], seen = time.perf_counter(), row
        time.sleep(LOOK_S)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99."""
    found = np.percentile(values, [50, 95, 99])
    return {
        f"p{share}_ms": round(float(v), 1) for share, v in zip((50, 95, 99), found, strict=True)
    }


def summary(rounds: Sequence[Round], bare: Sequence[Round]) -> dict[str, float]:
    """Medians of a contestant's rounds, and of their ratios to the bare rounds beside them."""
    pairs = list(zip(rounds, bare, strict=True))
    found = {
        "per_second": [own.rate for own in rounds],
        "processor_ms": [own.processor_ms for own in rounds],
        "of_bare": [own.rate / alone.rate for own, alone in pairs],
        "of_bare_processor": [alone.processor_ms / own.processor_ms for own, alone in pairs],
    }
    return {name: round(float(np.median(values)), 3) for name, values in found.items()}
