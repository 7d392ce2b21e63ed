"""Is the challenger worse than the champion on live texts? Rolling figures, and a decision."""

import hashlib
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, median
from typing import Any, Final

from barometer.labels import TASKS
from inference.classifier import Scores

Z_95: Final = 1.645
"""Standard deviations of a one-sided 95 % bound."""


@dataclass(frozen=True)
class Bounds:
    """What a canary must keep; past one of them it is rolled back."""

    agreement: float = 0.7
    """Share of texts with the champion's labels: by chance it is about 0.2, between two models
    that the gate has passed 0.8 and more."""
    confidence_drop: float = 0.15
    """How much lower the mean confidence may be."""
    latency: float = 1.5
    """Times the champion's median ms a text; the gate measures more finely, on a quiet machine."""
    errors: float = 0.01
    """Share of texts that it may fail on, above the champion's own."""
    fewest: int = 100
    """Texts that both scored, before agreement, confidence and latency count."""
    fewest_errors: int = 3
    """Failures, before their share counts."""
    window: int = 1_000
    """Newest texts that the figures are of."""


@dataclass(frozen=True)
class Reading:
    """What one model said of one text."""

    labels: tuple[int | None, ...]
    """The best label of each task; None for a task that it lacks."""
    confidence: float
    """Mean over its tasks of the best label's probability."""
    ms: float


@dataclass(frozen=True)
class Outcome:
    """One text on trial; a model that failed, or was not asked, has no reading."""

    champion: Reading | None = None
    challenger: Reading | None = None
    champion_failed: bool = False
    challenger_failed: bool = False


def readings(scores: Scores, seconds: float) -> list[Reading]:
    """What a model said of each text of one call, which took `seconds`."""
    given = [scores.of(task) for task in TASKS]
    texts = len(scores.truncated)
    return [
        Reading(
            tuple(None if found is None else int(found[place].argmax()) for found in given),
            fmean(float(found[place].max()) for found in given if found is not None),
            seconds * 1_000 / texts,
        )
        for place in range(texts)
    ]


def in_share(text: str, version: str, share: float) -> bool:
    """Whether `text` is of the share that goes to `version`: the same text always answers alike.

    Case and spaces are put aside. Each version draws other texts.
    """
    plain = " ".join(text.casefold().split())
    digest = hashlib.blake2b(f"{version}\x00{plain}".encode(errors="replace"), digest_size=8)
    return int.from_bytes(digest.digest(), "big") < share * 2**64


class Comparison:
    """Champion and challenger on the newest texts that both scored. Safe from several threads."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._outcomes: deque[Outcome] = deque(maxlen=bounds.window)
        self._lock = threading.Lock()

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Take what is newly known; the oldest goes."""
        with self._lock:
            self._outcomes.extend(outcomes)

    def figures(self) -> dict[str, Any]:
        """Texts that both scored, agreement, and of each model confidence, speed and failures."""
        with self._lock:
            outcomes = list(self._outcomes)
        pairs = [(o.champion, o.challenger) for o in outcomes if o.champion and o.challenger]
        agreed = [_agree(old, new) for old, new in pairs]
        sides: dict[str, Any] = {}
        for name, place in (("champion", 0), ("challenger", 1)):
            own = [pair[place] for pair in pairs]
            sides[name] = {
                "confidence": round(fmean(r.confidence for r in own), 4) if own else None,
                "ms_per_text": round(median(r.ms for r in own), 4) if own else None,
                "failed": sum(getattr(o, f"{name}_failed") for o in outcomes),
            }
        agreement = round(fmean(agreed), 4) if agreed else None
        return {"texts": len(pairs), "agreement": agreement, **sides}

    def fault(self) -> str | None:
        """Why the challenger is worse, in one sentence; None while it is not, or too few texts.

        Agreement is judged by the upper end of its one-sided 95 % interval (Wilson 1927), so that
        a few texts do not decide.
        """
        found, bounds = self.figures(), self._bounds
        old, new, texts = found["champion"], found["challenger"], found["texts"]
        failures = new["failed"] - old["failed"]
        share = failures / max(1, texts + new["failed"])
        if failures >= bounds.fewest_errors and share > bounds.errors:
            return f"it failed on {new['failed']} texts, the champion on {old['failed']}"
        if texts < bounds.fewest:
            return None
        if _upper(found["agreement"], texts) < bounds.agreement:
            return (
                f"it agrees with the champion on {found['agreement']:.2f} of {texts} texts, "
                f"under {bounds.agreement:g}"
            )
        if old["confidence"] - new["confidence"] > bounds.confidence_drop:
            return (
                f"its mean confidence is {new['confidence']:.2f}, the champion's "
                f"{old['confidence']:.2f}; {bounds.confidence_drop:g} less is allowed"
            )
        if new["ms_per_text"] > bounds.latency * old["ms_per_text"]:
            return (
                f"it takes {new['ms_per_text']:.2f} ms a text, the champion "
                f"{old['ms_per_text']:.2f}; {bounds.latency:g} times that is allowed"
            )
        return None


def _agree(old: Reading, new: Reading) -> bool:
    """Whether both give the same labels, in the tasks that both have."""
    both = zip(old.labels, new.labels, strict=True)
    return all(a == b for a, b in both if a is not None and b is not None)


def _upper(share: float, count: int) -> float:
    middle = share + Z_95**2 / (2 * count)
    spread = Z_95 * sqrt(share * (1 - share) / count + Z_95**2 / (4 * count**2))
    return (middle + spread) / (1 + Z_95**2 / count)
