"""What callers see while the parts of the service fail, one after the other, under one load.

    python -m benchmarks.outage --seconds 10 --callers 8 --rate 80

A service is started in a new state folder with its own Redis and registry. Callers ask `/predict`
and `/analyze` without a pause while Redis is killed, a champion that fails takes over, both come
back, and a new champion comes and goes. Every phase begins with the deed itself: what callers see
until it is in force belongs to it. BAROMETER_LLM_URL and BAROMETER_LLM_MODEL put an LLM between
the model and VADER, as they do for `barometer serve`.
"""

import argparse
import asyncio
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from barometer.console import print_json, print_line, print_table
from benchmarks.breakable import Breakable, breakable
from benchmarks.callers import Seen, calling
from benchmarks.scratch import scratch_settings

ORIGINS = ("model", "memory", "redis", "llm", "vader")


@dataclass(frozen=True)
class Phase:
    """Something that happens to the service, and the time after it."""

    name: str
    deed: Callable[[], None]
    """Returns once it is in force."""
    broken: bool = False
    """Whether every analysis must then say that it is degraded."""


@dataclass(frozen=True)
class Course:
    """How a phase went."""

    phase: Phase
    began: float
    in_force: float
    ended: float
    """Seconds of `time.perf_counter`."""
    origins: Counter[str]
    """Texts that were answered by each of `ORIGINS`."""
    resident_mb: float
    peak_mb: float | None
    """Of the service's process, from its start to the end of the phase."""


def phases(service: Breakable) -> list[Phase]:
    """What happens, in its order."""
    return [
        Phase("calm", lambda: None),
        Phase("Redis is killed", service.kill_redis, broken=True),
        Phase("and the model fails", service.break_model, broken=True),
        Phase("both come back", service.mend),
        Phase("a new champion", lambda: service.promote("2")),
        Phase("it is rolled back", service.roll_back),
    ]


async def play(
    service: Breakable, url: str, own: str, given: argparse.Namespace
) -> tuple[list[Course], list[Seen]]:
    """Let the phases pass while the callers ask."""
    courses = []
    async with calling(url, given.callers, given.rate, own) as seen:
        for phase in phases(service):
            print_line(phase.name, to_people=True)
            began = time.perf_counter()
            before = await asyncio.to_thread(service.origins)
            await asyncio.to_thread(phase.deed)
            in_force = time.perf_counter()
            await asyncio.sleep(given.seconds)
            after = await asyncio.to_thread(service.origins)
            courses.append(
                Course(
                    phase, began, in_force, time.perf_counter(),
                    Counter(after) - Counter(before), service.resident_mb(), service.peak_mb(),
                )
            )  # fmt: skip
    return courses, seen


def figures(courses: Sequence[Course], seen: Sequence[Seen]) -> list[dict[str, Any]]:
    """What is told of each phase; each request belongs to the one in which it was sent."""
    later = [course.began for course in courses[1:]]
    sent: list[list[Seen]] = [[] for _ in courses]
    for one in seen:
        sent[bisect_right(later, one.at)].append(one)
    return [_figures(course, own) for course, own in zip(courses, sent, strict=True)]


def _figures(course: Course, own: Sequence[Seen]) -> dict[str, Any]:
    faults = Counter(one.fault for one in own if one.fault)
    hidden = [
        one for one in own
        if not one.honest
        or (one.route == "/analyze" and course.phase.broken and not one.flagged
            and not one.fault and one.at > course.in_force)
    ]  # fmt: skip
    p50, p99 = np.percentile([one.ms for one in own] or [0.0], [50, 99])
    return {
        "phase": course.phase.name,
        "seconds": round(course.ended - course.began, 1),
        "asked": len(own),
        "answered": len(own) - faults.total(),
        "failed": dict(faults),
        "texts_from": {name: course.origins[name] for name in ORIGINS},
        "answers_by": dict(Counter(one.by for one in own if one.by)),
        "flagged": sum(one.flagged for one in own),
        "unflagged": len(hidden),
        "p50_ms": round(float(p50), 1),
        "p99_ms": round(float(p99), 1),
        "resident_mb": round(course.resident_mb, 1),
        "peak_mb": None if course.peak_mb is None else round(course.peak_mb, 1),
    }


COLUMNS = ("phase", "s", "asked", "answered", "failed", *ORIGINS, "flagged", "unflagged",
           "p50 ms", "p99 ms", "MB", "peak MB")  # fmt: skip


def row(told: dict[str, Any]) -> tuple[Any, ...]:
    """A line of the table, by `COLUMNS`."""
    tenths = [told[name] for name in ("p50_ms", "p99_ms", "resident_mb", "peak_mb")]
    return (
        told["phase"],
        f"{told['seconds']:.1f}",
        told["asked"],
        told["answered"],
        sum(told["failed"].values()),
        *told["texts_from"].values(),
        told["flagged"],
        told["unflagged"],
        *("-" if value is None else f"{value:.1f}" for value in tenths),
    )


def main() -> None:
    """Play it and print the table."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__)  # fmt: skip
    parser.add_argument(
        "--seconds", type=float, default=10, help="that a phase lasts after its deed"
    )
    parser.add_argument("--callers", type=int, default=8, help="that ask at the same time")
    parser.add_argument("--rate", type=float, default=80, help="requests a second of them all")
    parser.add_argument("--json", action="store_true", help="for machines")
    given = parser.parse_args()
    with scratch_settings() as settings, breakable(settings) as service:
        own, url = f"{settings.model_name}:", f"http://127.0.0.1:{settings.port}"
        courses, seen = asyncio.run(play(service, url, own, given))
    lines = figures(courses, seen)
    if given.json:
        print_json(lines)
        return
    answered = sum(not one.fault for one in seen)
    title = (
        f"{given.callers} callers, {given.rate:g} requests a second: {len(seen):,} asked, "
        f"{answered:,} answered"
    )
    print_table(title, COLUMNS, [row(told) for told in lines])
    print_line("model to vader: texts that each of them answered, by the service's own /metrics.")
    print_line("flagged: answers that say fallback_used or degraded; unflagged: that hide it.")
    print_line("MB: of the service's process at the end of the phase, and the most until then.")


if __name__ == "__main__":
    main()
