"""Register a model folder in MLflow; the starter becomes the first champion."""

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from barometer.errors import NotFoundError, UnavailableError
from barometer.labels import LABELS, TASKS
from barometer.settings import Settings
from barometer.tracking import CHALLENGER, CHAMPION, mlflow_client, store_faults
from inference.check import CHECK_TAG, answers
from inference.classifier import Classifier
from inference.model_folder import ModelFolder, open_model_folder
from inference.registry import version_of
from inference.stages import PRODUCTION, STAGE_TAG, STAGING, withdraw
from training.runs import RUN, log_origin, open_run
from training.source import GIT

ARTIFACT = "model"
EXAMPLE = "i am so happy that it arrived in time"


def register(settings: Settings, path: Path, alias: str = CHALLENGER) -> str:
    """Register the model folder at `path` and point `alias` at the new version.

    The version belongs to the run that trained the model where this store knows it. It carries
    signature, input example, figures, recipe, fingerprints of the data, and the served files. It
    appears only after its files are complete; a fault leaves the aliases as they were. A challenger
    before it that was on trial goes back to staging.

    Returns:
        The new version.

    Raises:
        ModelError: the folder is incomplete, or its files cannot be loaded.
        UnavailableError: the store does not answer, or cannot keep the files.
    """
    folder = open_model_folder(path)
    classifier = Classifier(folder, settings.session_threads)
    client = mlflow_client(settings)
    content = folder.metrics
    try:
        with open_run(settings, folder.name, content.get(RUN)) as run_id:
            log_origin(client, run_id, content)
            figures = [Metric(name, value, 0, 0) for name, value in flat_metrics(content).items()]
            client.log_batch(run_id, metrics=figures)
            model = _log_model(folder)
            _ensure_registered(client, settings.model_name)
            tags = {
                "digest": folder.digest(),
                "model_name": folder.name,
                "bytes": str(sum(file.stat().st_size for file in path.iterdir())),
                CHECK_TAG: answers(classifier),
                STAGE_TAG: PRODUCTION if alias == CHAMPION else STAGING,
                **_git_tags(content),
            }
            version = client.create_model_version(
                settings.model_name,
                source=model.model_uri,
                run_id=run_id,
                model_id=model.model_id,
                tags=tags,
                description=_card(path),
            ).version
        if alias == CHALLENGER:
            _withdraw_former(client, settings.model_name)
        client.set_registered_model_alias(settings.model_name, alias, version)
    except store_faults() as error:
        raise UnavailableError(
            f"the model cannot be registered: {str(error).splitlines()[0]}"
        ) from error
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


def _log_model(folder: ModelFolder) -> Any:
    """Log the folder as a pyfunc model of the active run; no import of it is ever pickled."""
    import mlflow  # noqa: PLC0415 - `mlflow_client` has set its environment
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415

    answers = [
        column
        for task, names in TASKS.items()
        for column in (
            ColSpec("string", task),
            ColSpec("float", f"{task}_confidence"),
            *(ColSpec("float", f"p_{name}") for name in names),
        )
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # advice on type hints; the signature is given
        return mlflow.pyfunc.log_model(
            name=ARTIFACT,
            python_model=str(Path(__file__).parents[1] / "inference" / "served_model.py"),
            artifacts={"folder": str(folder.path)},
            signature=ModelSignature(Schema([ColSpec("string", "text")]), Schema(answers)),
            input_example=pd.DataFrame({"text": [EXAMPLE]}),
            pip_requirements=["barometer"],
            metadata={"labels": list(LABELS), "digest": folder.digest()},
        )


def _card(path: Path) -> str | None:
    """The model card's text, which MLflow shows on the version's page."""
    card = path / "README.md"
    return card.read_text().split("---\n", 2)[-1].strip() if card.is_file() else None


def _git_tags(content: dict[str, Any]) -> dict[str, str]:
    """The code that made the model, by its own notes; what registers it may be newer."""
    return {f"git_{name}": str(value).lower() for name, value in content.get(GIT, {}).items()}


def _withdraw_former(client: MlflowClient, name: str) -> None:
    former = client.get_registered_model(name).aliases.get(CHALLENGER)
    if former is not None:
        withdraw(client, name, str(former))


def _ensure_registered(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
