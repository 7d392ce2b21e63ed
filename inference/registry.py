"""Read the MLflow registry: which version an alias names, and its files on this disk."""

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlflow import MlflowClient, artifacts
from mlflow.exceptions import MlflowException

from barometer.errors import NotFoundError, UnavailableError
from barometer.settings import Settings
from barometer.tracking import CHAMPION, mlflow_client, store_faults
from inference.backends import BACKENDS
from inference.classifier import Classifier
from inference.model_folder import open_model_folder


@dataclass(frozen=True)
class LoadedModel:
    """A classifier and the registry version that it is."""

    version: str
    classifier: Classifier


def version_of(client: MlflowClient, name: str, alias: str) -> str:
    """The version that `alias` names.

    Raises:
        NotFoundError: nothing is registered under the name, or the alias is not set.
        UnavailableError: the registry does not answer.
    """
    try:
        return str(client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise NotFoundError(
                f"no {alias} of model {name!r} is registered: `barometer up` makes the starter the "
                "champion, `barometer models --register FOLDER` adds a challenger."
            ) from error
        raise UnavailableError(
            f"the model registry does not answer ({error.error_code})."
        ) from error


@dataclass(frozen=True)
class Version:
    """A registered version, with the aliases that name it and its figures."""

    version: str
    aliases: tuple[str, ...]
    created_at: datetime
    metrics: dict[str, float]

    def metric(self, name: str) -> float | None:
        """A figure on the validation rows, such as `emotion.accuracy`."""
        return self.metrics.get(f"validation.{name}")


def versions(settings: Settings) -> list[Version]:
    """Every registered version, newest first."""
    client = mlflow_client(settings)
    try:
        found = client.search_model_versions(f"name = '{settings.model_name}'")
        aliases = client.get_registered_model(settings.model_name).aliases if found else {}
        return [
            Version(
                str(item.version),
                tuple(sorted(a for a, named in aliases.items() if str(named) == str(item.version))),
                datetime.fromtimestamp(item.creation_timestamp / 1000, UTC),
                dict(client.get_run(item.run_id).data.metrics),
            )
            for item in sorted(found, key=lambda item: -int(item.version))
        ]
    except MlflowException as error:
        raise UnavailableError(
            f"the model registry does not answer ({error.error_code})."
        ) from error


def fetch(settings: Settings, version: str) -> Path:
    """The version's model folder on this disk; downloaded once, complete or not at all.

    Raises:
        UnavailableError: its files cannot be read.
    """
    client = mlflow_client(settings)
    try:
        tags = client.get_model_version(settings.model_name, version).tags
        # Another registry may have another version of this number: the content tells them apart.
        mark = tags.get("digest", "unmarked")[:12]
        folder = settings.state / "models" / f"{settings.model_name}-{version}-{mark}"
        if folder.is_dir():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            uri = f"models:/{settings.model_name}/{version}"
            found = Path(artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch))
            inner = next(found.rglob("model.onnx"), None)
            if inner is None:
                raise UnavailableError(f"model version {version} holds no model.onnx.")
            shutil.copytree(inner.parent, Path(scratch) / "whole")
            with contextlib.suppress(FileExistsError):
                _move(Path(scratch) / "whole", folder)
    except store_faults() as error:
        reason = f"files of model version {version} cannot be read: {error}"
        raise UnavailableError(reason) from error
    return folder


def _move(whole: Path, folder: Path) -> None:
    """Put a complete folder in its place; another process may have been first, with the same."""
    try:
        whole.rename(folder)
    except OSError as error:
        if folder.is_dir():
            raise FileExistsError(str(folder)) from error
        raise


def load_champion(settings: Settings) -> LoadedModel:
    """The champion, loaded and ready."""
    version = version_of(mlflow_client(settings), settings.model_name, CHAMPION)
    folder = open_model_folder(fetch(settings, version))
    opener = BACKENDS[settings.backend]
    return LoadedModel(version, Classifier(folder, settings.session_threads, opener))
