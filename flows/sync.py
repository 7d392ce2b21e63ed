"""The `sync` flow: analyses from Redis into the database, while the machine is idle.

By hand: python -m flows.sync
"""

from dataclasses import asdict
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from barometer import sync as analyses
from barometer.settings import settings
from barometer.sync import Recovered, Synced

PATIENCE_S = 30.0
"""A run's own start takes a CPU for seconds: an idle one is waited for."""


@task(name="recover-missing", retries=3, retry_delay_seconds=[2, 5, 15], timeout_seconds=300)
def recover_missing() -> Recovered:
    """Queue cached answers again that the database lacks."""
    return analyses.recover_missing(settings())


@task(name="sync-analyses", retries=3, retry_delay_seconds=[2, 5, 15], timeout_seconds=300)
def sync_analyses(*, now: bool) -> Synced:
    """Write what waits, unless the CPU is busy and all of it is young."""
    return analyses.sync_analyses(settings(), now=now, patience_s=PATIENCE_S)


@flow(name="sync", timeout_seconds=900)
def sync(*, now: bool = False, recover: bool = False) -> State[Any]:
    """Write what waits; `recover` first looks for what is missing, `now` writes it in any case."""
    lines = asdict(recover_missing()) if recover else {}
    done = sync_analyses(now=now)
    lines |= asdict(done)
    table = [{"what": name, "value": value} for name, value in lines.items()]
    create_table_artifact(table, key="sync", description="Analyses on their way to the database")
    return Completed(message=done.held_back or f"{done.written} analyses are written", data=lines)


if __name__ == "__main__":
    sync()
