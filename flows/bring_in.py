"""The `bring_in` flow: a finished classifier with other labels becomes a registered challenger.

By hand: python -m flows.bring_in owner/name map.json
"""

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect import flow, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from barometer.errors import BarometerError, UnavailableError
from barometer.model_source import find_source
from barometer.settings import settings

Labels = dict[str, str | None]


def tell(progress: UUID, percent: float, what: str) -> None:
    """Say how far the run is, to Prefect's page and to `GET /models/jobs/{job}`."""
    update_progress_artifact(progress, percent, what)


@task(name="export", task_run_name="export {source}", timeout_seconds=3_000)
def export(source: str, labels: Labels, progress: UUID) -> Path:
    """Read the model, export it to INT8 ONNX, and measure it on the validation rows."""
    try:
        from training.bring_in import bring_in as export_mapped  # noqa: PLC0415 - may be missing
        from training.origin import Origin  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"bringing in a model needs Barometer's train extra, which this worker lacks "
            f"({error.name}): install barometer[train] where the worker runs."
        ) from error
    config = settings()
    checkpoint = find_source(config, source)
    tell(progress, 5, "reading the rows that it is measured on")
    data = Origin(config.base_model, config.emotion_data, config.sentiment_data).load()
    tell(progress, 15, "exporting")
    target = config.state / "brought-in" / re.sub(r"[^\w.-]", "-", source)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "labels.json"
        file.write_text(json.dumps(labels))
        export_mapped(
            checkpoint, file, data, target,
            lambda _: tell(progress, 60, "measuring"),
            lambda line: tell(progress, 20, f"exporting; {line}"),
        )  # fmt: skip
    return target


@task(name="register", retries=2, retry_delay_seconds=[5, 15], timeout_seconds=600)
def register(folder: Path) -> str:
    """Register the folder; the new version is the challenger, in staging."""
    from training.register import register as add  # noqa: PLC0415 - imported with the rest above

    return add(settings(), folder)


@flow(name="bring_in", timeout_seconds=3_600)
def bring_in(source: str, labels: Labels) -> State[Any]:
    """Export and register `source`: a hub name, or a folder's name in BAROMETER_IMPORT_DIR."""
    begun = create_progress_artifact(0, key="bring-in", description=f"starting on {source}")
    progress = cast("UUID", begun)  # a coroutine only where the caller is one
    try:
        folder = export(source, labels, progress)
        tell(progress, 90, "registering")
        version = register(folder)
    except BarometerError as error:
        return Failed(message=str(error))
    tell(progress, 100, f"version {version} is registered")
    return Completed(message=f"version {version} is the challenger, in staging")


if __name__ == "__main__":
    bring_in(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))
