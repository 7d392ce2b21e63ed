"""The `recheck` flow: what was deleted or removed at Reddit is deleted here.

By hand: python -m flows.recheck
"""

from dataclasses import asdict
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from barometer.settings import settings
from ingestion.reddit.recheck import Checked
from ingestion.reddit.recheck import recheck as check_stored


@task(name="recheck-reddit", retries=2, retry_delay_seconds=[60, 600], timeout_seconds=5 * 3600)
def check() -> Checked:
    """Ask Reddit for the stored posts; a second attempt goes on where the first broke off."""
    return check_stored(settings())


@flow(name="recheck", timeout_seconds=6 * 3600)
def recheck() -> State[Any]:
    """Check what is stored of Reddit, longest ago first."""
    lines = asdict(check())
    table = [{"what": name, "value": value} for name, value in lines.items()]
    create_table_artifact(table, key="recheck", description="What Reddit says of stored posts")
    return Completed(message=f"{lines['deleted']} of {lines['checked']} are gone", data=lines)


if __name__ == "__main__":
    recheck()
