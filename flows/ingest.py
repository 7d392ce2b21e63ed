"""The `ingest` flow: read every tracked event's sources into the stream.

By hand: python -m flows.ingest
"""

import time
from collections import Counter, defaultdict
from typing import Any

from prefect import Task, allow_failure, flow, task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed

from barometer.settings import settings
from ingestion.command import read_planned
from ingestion.plan import Planned, plan_readings

AT_ONCE = 2
"""Readings of one source at a time: its provider is not rushed, and no other source waits."""
READING_S = 60.0
"""Seconds that one reading may take; what is left of it is read in the next run."""
STARTING_S = 240.0
"""Seconds within which readings begin: the next run is due after 300."""


def may_do_better(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed reading is tried again: not one that has taken its time already."""
    return state.name == "Failed"


# No `timeout_seconds`: Prefect cannot stop a thread that waits, and would only say that it is late.
@task(
    name="read-source",
    task_run_name="{reading.source} for {reading.event}",
    retries=2,
    retry_delay_seconds=[2, 10],
    retry_jitter_factor=1.0,
    retry_condition_fn=may_do_better,
)
def read(reading: Planned, ends: float) -> State[Any]:
    """Read one source for one event, if it is its turn before the time `ends`.

    A fault of the outside world is tried again, but not before the time that a source names.
    """
    left_s = ends - time.time()
    if left_s <= 0:
        return Completed(name="Put off", message="is read in the next run: no time was left")
    result = read_planned(settings(), reading, within_s=READING_S)
    brought = {
        "new": result.accepted,
        "known": result.duplicates,
        "refused": result.rejected,
        "limited until": f"{result.until:%Y-%m-%d %H:%M} UTC" if result.until else "",
    }
    if result.until:
        return Completed(name="Limited", message=result.error, data=brought)
    if result.error:
        return Failed(name="Late" if result.unfinished else "Failed", message=result.error)
    if result.unfinished:
        said = f"is read on in the next run: {READING_S:g} s are over"
        return Completed(name="Unfinished", message=said, data=brought)
    return Completed(name="Read", data=brought)


@flow(name="ingest", timeout_seconds=600)
def ingest() -> State[Any]:
    """Read each source for each event that asks for it; one that fails or hangs delays no other."""
    ends = time.time() + STARTING_S
    lanes: defaultdict[str, list[PrefectFuture[Any]]] = defaultdict(list)
    runs: list[tuple[Planned, PrefectFuture[Any] | None]] = []
    for reading in plan_readings(settings()):
        if reading.missing:
            runs.append((reading, None))
            continue
        lane = lanes[reading.source]
        # One that is late or fails lets the next begin all the same.
        before = [allow_failure(lane[-AT_ONCE])] if len(lane) >= AT_ONCE else None
        lane.append(read.submit(reading, ends, return_state=False, wait_for=before))
        runs.append((reading, lane[-1]))
    lines = [_line(reading, run) for reading, run in runs]
    states = Counter(line["state"] for line in lines)
    said = ", ".join(f"{count} {state}" for state, count in states.most_common())
    create_table_artifact(lines, key="readings", description=said or "No event asks for a source.")
    end = Failed if lines and not states.keys() - {"failed", "late", "crashed"} else Completed
    return end(message=said or "nothing to read", data=lines)


def _line(reading: Planned, run: PrefectFuture[Any] | None) -> dict[str, Any]:
    """What the table says of one reading."""
    line = {"source": reading.source, "event": reading.event, "state": "missing setting"}
    nothing = dict.fromkeys(("new", "known", "refused"), 0) | {"limited until": ""}
    if run is None:
        return {**line, **nothing, "detail": f"set {reading.missing}"}
    run.wait()
    state = run.state
    brought = run.result(raise_on_failure=False) if state.is_completed() else None
    told = {"state": (state.name or state.type.value).lower(), "detail": state.message or ""}
    return {**line, **nothing, **(brought or {}), **told}


if __name__ == "__main__":
    ingest()
