"""Register a model folder in MLflow; the starter becomes the first champion."""

from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from barometer.errors import NotFoundError, UnavailableError
from barometer.settings import Settings
from barometer.tracking import CHALLENGER, CHAMPION, EXPERIMENT, mlflow_client
from inference.model_folder import open_model_folder
from inference.registry import version_of

ARTIFACT = "model"


def register(settings: Settings, path: Path, alias: str = CHALLENGER) -> str:
    """Register the model folder at `path` and point `alias` at the new version.

    The version appears only after its files are complete; a fault leaves the aliases as they were.

    Returns:
        The new version.

    Raises:
        ModelError: the folder is incomplete.
        UnavailableError: the store does not answer.
    """
    folder = open_model_folder(path)
    client = mlflow_client(settings)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    try:
        run = client.create_run(experiment.experiment_id, run_name=folder.name)
        run_id = run.info.run_id
        metrics = [Metric(key, value, 0, 0) for key, value in flat_metrics(folder.metrics).items()]
        recipe = folder.metrics.get("recipe", {})
        params = [Param(key, str(value)) for key, value in recipe.items()]
        tags = [RunTag("digest", folder.digest()), RunTag("model_name", folder.name)]
        client.log_batch(run_id, metrics=metrics, params=params, tags=tags)
        client.log_artifacts(run_id, str(path), ARTIFACT)
        client.set_terminated(run_id)
        _ensure_registered(client, settings.model_name)
        version = client.create_model_version(
            settings.model_name,
            source=f"{run.info.artifact_uri}/{ARTIFACT}",
            run_id=run_id,
            tags={"digest": folder.digest(), "model_name": folder.name},
        ).version
        client.set_registered_model_alias(settings.model_name, alias, version)
    except MlflowException as error:
        raise UnavailableError(f"the model cannot be registered: {error.message}") from error
    return str(version)


def ensure_champion(settings: Settings, starter: Path) -> str:
    """The champion's version; registers `starter` as champion where there is none yet."""
    try:
        return version_of(mlflow_client(settings), settings.model_name, CHAMPION)
    except NotFoundError:
        return register(settings, starter, CHAMPION)


def flat_metrics(content: dict[str, Any]) -> dict[str, float]:
    """Figures of `metrics.json` as MLflow wants them: `validation.emotion.accuracy` and so on."""
    return {
        f"{split}.{task}.{name}": float(value)
        for split in ("validation", "test")
        for task, figures in content.get(split, {}).items()
        for name, value in figures.items()
        if isinstance(value, int | float)
    }


def _ensure_registered(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
