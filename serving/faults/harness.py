"""The fault test itself, in a process that may have a small disk of its own.

    python -m serving.faults.harness FOLDER POSTS SECONDS SEED WORKERS

prints one line of JSON. `serving.faults.run` starts it.
"""

import asyncio
import contextlib
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL
from typing import Any, Final

import httpx

from barometer.console import progress
from serving.faults import hands
from serving.faults.breaking import Machine
from serving.faults.plan import Fault, Key, Kind, batches, kills, storm
from serving.faults.posting import Poster
from serving.faults.processes import BARE
from serving.faults.starting import started
from serving.faults.verdict import judge

PATIENCE_S: Final = 240.0
"""Seconds that the backlog may take to be worked off once nothing breaks any more."""
LOOK_S: Final = 0.5
HOLDING_S: Final = 10.0
"""Longest wait for a worker to take posts before something is broken, or it is killed."""
FILES: Final = "a limit on the size of Redis' files, since none can be mounted here"
BACKLOG: Final = re.compile(r"^barometer_stream_backlog_posts (\S+)$", re.MULTILINE)

Tell = Callable[[int, str], None]
"""Told how many posts are accepted, and what goes on."""


@dataclass
class Broken:
    """What is broken now, and what has been."""

    now: list[Kind] = field(default_factory=list)
    so_far: Counter[Kind] = field(default_factory=Counter)


async def fault_test(
    folder: Path, posts: int, seconds: float, seed: int, workers: int, tell: Tell
) -> dict[str, Any]:
    """Post while everything breaks, let it calm down, and compare; the figures for the report.

    Raises:
        TimeoutError: posts are still not accepted, long after everything is whole again.
    """
    tell(0, "starting")
    async with started(folder, workers) as machine:
        began = time.monotonic()
        faults = storm(seed, seconds, machine.kinds)
        sent = batches(seed, posts, datetime.now(UTC))
        poster = Poster(machine.url, sent, pulses=len(faults))
        broken = Broken()
        watching = asyncio.create_task(_watch(poster, broken, tell))
        async with asyncio.timeout(3 * seconds + PATIENCE_S):
            await endure(machine, poster, faults, seed, broken)
        watching.cancel()
        calm = time.monotonic()
        left = await drain(machine, lambda note: tell(poster.posted.settled, note))
        drained = time.monotonic()
        dead = await dead_letters(machine)
        verdict = await asyncio.to_thread(judge, machine.engine, poster.posted.accepted, dead)
        figures = verdict.summary()
        figures["good"] &= left == 0 and not poster.posted.miscounted
        return {
            "seed": seed,
            "posts": posts,
            "database": "PostgreSQL" if machine.database else "SQLite (no PostgreSQL is installed)",
            "full_disk": "a small file system" if machine.disk_is_small else FILES,
            "storm_s": round(calm - began, 1),
            "drain_s": round(drained - calm, 1),
            "broken": {kind.value: broken.so_far[kind] for kind in machine.kinds},
            "connections_reset": sum(door.resets for door in machine.doors),
            "ended_alone": {part.name: part.own_ends for part in machine.processes},
            "answers": dict(poster.posted.answers),
            "miscounted": poster.posted.miscounted,
            "rejected": len(poster.posted.rejected),
            "left_in_stream": left,
            **figures,
        }


async def endure(
    machine: Machine, poster: Poster, faults: list[Fault], seed: int, broken: Broken
) -> None:
    """The storm: until every fault is over and every post is accepted."""
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_kill_workers(machine, seed, broken, over))
        breaking = group.create_task(_break(machine, poster, faults, broken))
        await group.create_task(poster.run())
        await breaking
        over.set()


async def drain(machine: Machine, tell: Callable[[str], None]) -> int | None:
    """Wait until the stream is worked off; what is left in it, None where it cannot be told."""
    deadline = time.monotonic() + PATIENCE_S
    left: int | None = None
    async with httpx.AsyncClient(base_url=machine.url, timeout=10) as http:
        while left != 0 and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_S)
            try:
                found = BACKLOG.search((await http.get("/metrics")).text)
            except httpx.TransportError:
                continue
            left = int(float(found[1])) if found else None
            tell(f"calm; {left} posts wait in the stream")
    return left


async def dead_letters(machine: Machine) -> set[Key]:
    """The keys of the posts among the dead letters, as `barometer dead-letters` lists them."""
    process = await asyncio.create_subprocess_exec(
        *BARE, "dead-letters", "--json", "--limit", "1000000",
        env=machine.env, cwd=machine.service.folder, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, _ = await process.communicate()
    posts = [json.loads(letter["post"]) for letter in json.loads(printed)]
    return {(post["source"], post["id"]) for post in posts}


async def _break(machine: Machine, poster: Poster, faults: list[Fault], broken: Broken) -> None:
    began = time.monotonic()
    for fault in faults:
        await asyncio.sleep(max(0.0, began + fault.at_s - time.monotonic()))
        poster.pulse()
        await asyncio.sleep(fault.after_s)
        await hands.full(machine.stream, HOLDING_S)
        with _noted(broken, fault.kind):
            await machine.suffer(fault)


async def _kill_workers(machine: Machine, seed: int, broken: Broken, over: asyncio.Event) -> None:
    for pause, chosen, in_hand in kills(seed, len(machine.workers)):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), pause)
            return
        worker = machine.workers[chosen]
        await hands.full(machine.stream, HOLDING_S, worker.name)
        await asyncio.sleep(in_hand)
        with _noted(broken, Kind.WORKER):
            await worker.strike(SIGKILL)


@contextmanager
def _noted(broken: Broken, kind: Kind) -> Iterator[None]:
    broken.now.append(kind)
    broken.so_far[kind] += 1
    try:
        yield
    finally:
        broken.now.remove(kind)


async def _watch(poster: Poster, broken: Broken, tell: Tell) -> None:
    while True:
        tell(poster.posted.settled, ", ".join(broken.now) or "nothing broken just now")
        await asyncio.sleep(LOOK_S)


def main() -> None:
    """Run the test that the arguments ask for."""
    folder, posts, seconds, seed, workers = sys.argv[1:]
    with progress("posts accepted") as (bar, task):
        bar.update(task, total=int(posts))

        def tell(done: int, note: str) -> None:
            bar.update(task, completed=done, note=note)

        found = asyncio.run(
            fault_test(Path(folder), int(posts), float(seconds), int(seed), int(workers), tell)
        )
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
