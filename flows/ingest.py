"""The `ingest` flow: read every tracked event's sources into the stream.

By hand: python -m flows.ingest
"""

from prefect import flow, task
from prefect.artifacts import create_table_artifact

from barometer.errors import SourceError
from barometer.settings import settings
from ingestion.command import ingest_once
from ingestion.plan import Reading, plan_readings


@task(
    name="read-source",
    task_run_name="{reading.source} for {reading.event}",
    retries=3,
    retry_delay_seconds=[2, 5, 15],
    timeout_seconds=120,
)
def read(reading: Reading) -> dict[str, object]:
    """Read one source for one event; a fault of the outside world is tried again."""
    [result] = ingest_once(settings(), reading.source, reading.event)
    if result.error:
        raise SourceError(f"{reading.source}: {result.error}")
    return vars(result)


@flow(name="ingest", timeout_seconds=600)
def ingest() -> list[dict[str, object]]:
    """Read each source for each event that asks for it; one that fails holds no other up."""
    runs = [(reading, read.submit(reading)) for reading in plan_readings(settings())]
    lines: list[dict[str, object]] = []
    for reading, run in runs:
        answer: dict[str, object] | BaseException = run.result(raise_on_failure=False)
        fault: dict[str, object] = {
            "source": reading.source,
            "event": reading.event,
            "error": str(answer),
        }
        lines.append(fault if isinstance(answer, BaseException) else answer)
    create_table_artifact(lines, key="readings", description="What each source brought")
    return lines


if __name__ == "__main__":
    ingest()
