"""The `watch` flow: compare what people say now with what the model was measured on.

By hand: python -m flows.watch
"""

from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from barometer.errors import DataError
from barometer.settings import settings
from monitoring.command import report_now
from monitoring.summary import as_markdown


@task(name="drift-report", retries=2, retry_delay_seconds=[5, 15], timeout_seconds=300)
def report() -> dict[str, Any] | str:
    """The report, or the sentence that says why there is none yet."""
    try:
        return report_now(settings())
    except DataError as error:
        return str(error)


@flow(name="watch", timeout_seconds=600)
def watch() -> State[Any]:
    """Make a drift report and leave a summary that a person reads in Prefect's UI."""
    found = report()
    if isinstance(found, str):
        create_markdown_artifact(f"No report: {found}", key="drift")
        return Completed(message=f"No report: {found}")
    create_markdown_artifact(as_markdown(found, settings().port), key="drift")
    return Completed(message="drifted" if found["drifted"] else "no drift", data=found)


if __name__ == "__main__":
    watch()
