"""The `collect` flow: read the sources that may be learned from into files for later training.

By hand: python -m flows.collect
"""

from prefect import flow, task
from prefect.artifacts import create_table_artifact

from barometer.errors import SourceError
from barometer.settings import settings
from ingestion.offline.collect import collect as read_into_collection
from ingestion.offline.collect import plan_collecting
from ingestion.plan import Planned


@task(
    name="collect-source",
    task_run_name="{reading.source} for {reading.event}",
    retries=3,
    retry_delay_seconds=[2, 5, 15],
    timeout_seconds=600,
)
def read(reading: Planned) -> dict[str, object]:
    """Read one source for one event; a fault of the outside world is tried again."""
    result = read_into_collection(settings(), reading)
    if result.error and not result.until:  # before then, asking again would be rude
        raise SourceError(result.error)
    return vars(result)


@flow(name="collect", timeout_seconds=3_600)
def collect() -> list[dict[str, object]]:
    """Read each source for each event that asks for it; what is left out is said."""
    plan = plan_collecting(settings())
    runs = [(reading, read.submit(reading)) for reading in plan.readings]
    lines: list[dict[str, object]] = []
    for reading, run in runs:
        answer: dict[str, object] | BaseException = run.result(raise_on_failure=False)
        if isinstance(answer, BaseException):
            answer = vars(reading) | {"error": str(answer)}
        lines.append(answer)
    lines += [{"source": name, "error": reason} for name, reason in plan.left_out.items()]
    create_table_artifact(lines, key="collected", description="What each source brought")
    return lines


if __name__ == "__main__":
    collect()
