"""What a run in MLflow tells: where it came from, what it learnt from, what it reached."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

from barometer.errors import UnavailableError
from barometer.settings import REPOSITORY, Settings
from barometer.tracking import EXPERIMENT, mlflow_client, store_faults

log = structlog.get_logger()
RUN = "mlflow_run"
"""Key in `metrics.json` of the run that made the model."""


@contextmanager
def open_run(settings: Settings, name: str, run_id: str | None = None) -> Iterator[str]:
    """A run of Barometer's experiment, the active one of `mlflow` inside the block.

    It ends FINISHED, or FAILED when the block raises. A `run_id` of this store is continued; of
    another one, as a folder from elsewhere has it, a new run is begun.

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
        known = run_id if run_id and _is_known(client, run_id) else None
        with mlflow.start_run(
            run_id=known,
            experiment_id=experiment.experiment_id,
            run_name=None if known else name,
            tags=source_tags(),
        ) as run:
            yield run.info.run_id
    except faults as error:
        reason = str(error).splitlines()[0]
        raise UnavailableError(f"MLflow does not take the run: {reason}") from error


def source_tags() -> dict[str, str]:
    """The command and the commit that run, as MLflow's own tags name them."""
    source = {"mlflow.source.name": "barometer"}
    try:
        commit = _git("rev-parse", "HEAD")
        changed = bool(_git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):  # no git, or no checkout: an installed package
        return source
    return source | {"mlflow.source.git.commit": commit, "git.dirty": str(changed).lower()}


def _git(*arguments: str) -> str:
    command = ("git", "-C", str(REPOSITORY), *arguments)
    return subprocess.run(  # noqa: S603 - our own command line, no shell
        command, capture_output=True, text=True, timeout=10, check=True
    ).stdout.strip()


def log_origin(client: MlflowClient, run_id: str, content: dict[str, Any]) -> None:
    """Log what `metrics.json` says of a model's making: recipe, base, fingerprints of its data."""
    recipe = {"base_model": content.get("base_model"), **content.get("recipe", {})}
    params = [Param(key, str(value)) for key, value in recipe.items() if value is not None]
    client.log_batch(run_id, params=params)
    digests = content.get("data_digests", {})
    inputs = [
        _input(
            str(name),
            digests[task],
            f"training: {task}",
            {
                "train_rows": content["train_rows"][task],
                "release_sha256": content["release_digests"][task],
            },
        )
        for task, name in content.get("data", {}).items()
        if task in digests
    ]
    adapted = content.get("adapted_from")
    if adapted:
        learnt = {task: one["rows_learnt"] for task, one in adapted["tasks"].items()}
        inputs.append(_input("labelled rows", adapted["rows_digest"], "adaptation", learnt))
    client.log_inputs(run_id, datasets=inputs)


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


def _is_known(client: MlflowClient, run_id: str) -> bool:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    return True
