"""What a fault test posts, and what it breaks when: all of it is drawn from one seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any, Final

from serving.stress import SENTENCES

Key = tuple[str, str]
"""A post's (source, id)."""
SOURCES: Final = ("north", "south")
"""Both use the same ids: only source and id together are a key."""
EVENT: Final = "harbour"
"""One of the sentences mentions it, so that some posts have an event and others none."""
POISON: Final = "poison-"
"""How the ids of posts begin that the database is told to refuse."""
POISON_EVERY: Final = 500
LARGEST_BATCH: Final = 200
CALLS: Final = 60
"""Calls that a test makes at least, whatever its number of posts."""
REPEAT: Final = 0.3
"""Chance that a batch brings along a post that was sent before."""
SILENT: Final = 0.5
"""Chance that a cut connection first swallows what it is given, and is reset only at the end."""
AFTER_S: Final = (0.2, 0.7)
LONGEST_IN_HAND_S: Final = 1.5
SLOT_S: Final = 9.0
"""Seconds of the storm for each fault, on average; fewer where it would not hold every kind."""


class Kind(StrEnum):
    """What can be broken."""

    WORKER = "worker killed"
    SERVICE = "service killed"
    REDIS = "Redis killed"
    REDIS_CUT = "Redis cut off"
    DATABASE = "PostgreSQL stopped"
    DATABASE_CUT = "PostgreSQL cut off"
    DISK = "disk full"


ONCE: Final = (Kind.SERVICE, Kind.DISK)
"""Faults that one storm has once."""


@dataclass(frozen=True)
class Fault:
    """One thing that breaks."""

    kind: Kind
    at_s: float
    """Seconds after the storm began."""
    after_s: float
    """Seconds that posts come in before it, so that the workers have full batches in hand."""
    lasts_s: float
    silent: bool = False
    """A cut connection stays open and swallows bytes; else it is reset at once."""


@dataclass(frozen=True)
class Batch:
    """What one call of `/ingest` sends."""

    source: str
    posts: list[dict[str, Any]]

    @property
    def keys(self) -> list[Key]:
        """Of its posts, in their order."""
        return [(self.source, post["id"]) for post in self.posts]


def storm(seed: int, seconds: float, kinds: Sequence[Kind]) -> list[Fault]:
    """Faults one after the other, each kind at least once, in a random order.

    Workers are not among them: `kills` says when one of those dies, whatever else is broken.
    """
    rng = _drawer("storm", seed)
    drawn = [kind for kind in kinds if kind is not Kind.WORKER]
    again = [kind for kind in drawn if kind not in ONCE]
    while len(drawn) < seconds // SLOT_S:
        drawn.append(rng.choice(again))
    rng.shuffle(drawn)
    slot = seconds / len(drawn)
    faults = []
    for number, kind in enumerate(drawn):
        at = slot * (number + rng.uniform(0.0, 0.2))
        after, lasts = rng.uniform(*AFTER_S), slot * rng.uniform(0.3, 0.6)
        faults.append(Fault(kind, at, after, lasts, silent=rng.random() < SILENT))
    return faults


def kills(seed: int, workers: int) -> Iterator[tuple[float, int, float]]:
    """Without end: seconds until a worker is chosen, which, and how long it then has posts in hand.

    Killed always at the first moment, a worker would never come past its first post.
    """
    rng = _drawer("kills", seed)
    while True:
        yield rng.uniform(1.0, 7.0), rng.randrange(workers), rng.uniform(0.0, LONGEST_IN_HAND_S)


def batches(seed: int, count: int, told: datetime) -> list[Batch]:
    """`count` posts in batches of random sizes, and some of them once more in a later batch.

    Args:
        seed: draws sizes, texts, times and repeats.
        count: posts with a key of their own. Every text is another one, too.
        told: the newest moment that a post was written at.
    """
    rng = _drawer("posts", seed)
    waiting: dict[str, list[dict[str, Any]]] = {source: [] for source in SOURCES}
    sent: dict[str, list[dict[str, Any]]] = {source: [] for source in SOURCES}
    largest = min(max(2 * count // CALLS, 1), LARGEST_BATCH)
    full = {source: rng.randint(1, largest) for source in SOURCES}
    made = []

    def close(source: str) -> None:
        posts = waiting[source]
        sent[source] += posts
        if len(sent[source]) > len(posts) and rng.random() < REPEAT:
            posts = [*posts, rng.choice(sent[source][: -len(posts)])]
        made.append(Batch(source, posts))
        waiting[source], full[source] = [], rng.randint(1, largest)

    for number in range(count):
        source = SOURCES[number % len(SOURCES)]
        waiting[source].append(_post(rng, number, told))
        if len(waiting[source]) == full[source]:
            close(source)
    for source in SOURCES:
        if waiting[source]:
            close(source)
    return made


def _drawer(what: str, seed: int) -> Random:
    return Random(f"{what} {seed}")  # noqa: S311 - a plan that can be repeated, no secret


def _post(rng: Random, number: int, told: datetime) -> dict[str, Any]:
    mark = POISON if number % POISON_EVERY == POISON_EVERY // 2 else ""
    written = told - timedelta(seconds=rng.uniform(0, 3600))
    return {
        "id": f"{mark}{number // len(SOURCES)}",
        "text": f"{rng.choice(SENTENCES)} {number}",
        "created_at": written.isoformat(),
    }
