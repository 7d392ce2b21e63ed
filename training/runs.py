"""What a run in MLflow tells: where it came from, what it learnt from, what it reached."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run

from barometer.errors import UnavailableError
from barometer.settings import Settings
from barometer.tracking import EXPERIMENT, mlflow_client, store_faults
from training.source import source_tags

log = structlog.get_logger()
RUN = "mlflow_run"
"""Key in `metrics.json` of the run that made the model."""


@contextmanager
def open_run(settings: Settings, name: str, run_id: str | None = None) -> Iterator[str]:
    """A run of Barometer's experiment, the active one of `mlflow` inside the block.

    It ends FINISHED, or FAILED when the block raises. A `run_id` of this store is continued: it
    keeps the tags of the code that began it, and if it had ended, how and when it ended. For one of
    another store, as a folder from elsewhere has it, a new run is begun.

    Yields:
        The run's id.

    Raises:
        UnavailableError: the store does not answer.
    """
    client = mlflow_client(settings)
    import mlflow  # noqa: PLC0415 - `mlflow_client` has set its environment

    # A full disk is not MLflow's fault alone: the block writes files of its own.
    faults = tuple(fault for fault in store_faults() if fault is not OSError)
    try:
        experiment = client.get_experiment_by_name(EXPERIMENT)
        known = _known(client, run_id) if run_id else None
        with (
            _ended_as_before(client, known),
            mlflow.start_run(
                run_id=known.info.run_id if known else None,
                experiment_id=experiment.experiment_id,
                run_name=None if known else name,
                tags=None if known else source_tags(),
            ) as run,
        ):
            yield run.info.run_id
    except faults as error:
        reason = str(error).splitlines()[0]
        raise UnavailableError(f"MLflow does not take the run: {reason}") from error


def log_origin(client: MlflowClient, run_id: str, content: dict[str, Any]) -> None:
    """Log what `metrics.json` says of a model's making: recipe, base, fingerprints of its data."""
    recipe = {"base_model": content.get("base_model"), **content.get("recipe", {})}
    params = [Param(key, str(value)) for key, value in recipe.items() if value is not None]
    client.log_batch(run_id, params=params)
    digests = content.get("data_digests", {})
    inputs = [
        rows_input(
            task,
            str(name),
            digests[task],
            content["train_rows"][task],
            content["release_digests"][task],
        )
        for task, name in content.get("data", {}).items()
        if task in digests
    ]
    adapted = content.get("adapted_from")
    if adapted:
        learnt = {task: one["rows_learnt"] for task, one in adapted["tasks"].items()}
        inputs.append(_input("labelled rows", adapted["rows_digest"], "adaptation", learnt))
    client.log_inputs(run_id, datasets=inputs)


def rows_input(task: str, name: str, sha256: str, train: int, release: str) -> DatasetInput:
    """A task's rows as MLflow's dataset: their fingerprint, and that of the release split."""
    profile = {"train_rows": train, "release_sha256": release}
    return _input(name, sha256, f"training: {task}", profile)


def _input(name: str, sha256: str, context: str, profile: dict[str, Any]) -> DatasetInput:
    dataset = Dataset(
        name=name,
        digest=sha256[:36],  # what MLflow's column holds
        source_type="barometer",
        source=json.dumps({"name": name}),
        profile=json.dumps({"sha256": sha256, **profile}),
    )
    return DatasetInput(dataset, tags=[InputTag("mlflow.data.context", context)])


class Curve:
    """Figures over the epochs of one run; a store that is away for a while costs none of them."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client, self._run_id = client, run_id
        self._waiting: list[Metric] = []

    def add(self, epoch: int, figures: dict[str, float]) -> None:
        """Log an epoch's figures now, or with a later epoch's: hours of training hang on it."""
        now = int(time.time() * 1000)
        self._waiting += [Metric(key, value, now, epoch) for key, value in figures.items()]
        try:
            self.finish()
        except store_faults() as error:
            reason = str(error).splitlines()[0]
            log.warning("figures are logged later", run=self._run_id, epoch=epoch, reason=reason)

    def finish(self) -> None:
        """Log what is still waiting; a store that is away now is an error."""
        self._client.log_batch(self._run_id, metrics=self._waiting)
        self._waiting = []


def log_files(client: MlflowClient, run_id: str, folder: Path, where: str) -> None:
    """Log every file of `folder` as an artifact under `where`."""
    client.log_artifacts(run_id, str(folder), where)


def _known(client: MlflowClient, run_id: str) -> Run | None:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


@contextmanager
def _ended_as_before(client: MlflowClient, run: Run | None) -> Iterator[None]:
    """What is added to a finished training, or fails to be, says nothing about the training."""
    try:
        yield
    finally:
        if run is not None and run.info.end_time is not None:
            client.set_terminated(run.info.run_id, run.info.status, run.info.end_time)
