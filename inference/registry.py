"""Read the MLflow registry: which version an alias names, and its files on this disk."""

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlflow import MlflowClient, artifacts
from mlflow.entities.model_registry import ModelVersion

from barometer.errors import ModelError, UnavailableError
from barometer.settings import Settings
from barometer.tracking import CHAMPION, mlflow_client, registry_faults, store_faults
from inference.backends import BACKENDS
from inference.check import CHECK_TAG, check
from inference.classifier import Classifier
from inference.model_folder import ModelFolder, open_model_folder
from inference.stages import stage_of


@dataclass(frozen=True)
class LoadedModel:
    """A classifier and the registry version that it is."""

    version: str
    classifier: Classifier
    texts_per_s: float | None = None
    """Speed on the fixed texts when it was loaded; None where it was not measured."""


def version_of(client: MlflowClient, name: str, alias: str) -> str:
    """The version that `alias` names.

    Raises:
        NotFoundError: nothing is registered under the name, or the alias is not set.
        UnavailableError: the registry does not answer.
    """
    with registry_faults(
        f"no {alias} of model {name!r} is registered: `barometer up` makes the starter the "
        "champion, `barometer models --register FOLDER` adds a challenger."
    ):
        return str(client.get_model_version_by_alias(name, alias).version)


@dataclass(frozen=True)
class Version:
    """A registered version, with the aliases that name it and its figures."""

    version: str
    aliases: tuple[str, ...]
    created_at: datetime
    metrics: dict[str, float]
    tags: dict[str, str]
    card: str

    @property
    def stage(self) -> str:
        """How far it has come, as `inference.stages` names it."""
        return stage_of(self.tags, self.aliases)

    def metric(self, name: str) -> float | None:
        """A figure on the validation rows, such as `emotion.accuracy`."""
        return self.metrics.get(f"validation.{name}")


def versions(settings: Settings) -> list[Version]:
    """Every registered version, newest first.

    Raises:
        NotFoundError: a version or its run was deleted.
        UnavailableError: the registry does not answer.
    """
    client, name = mlflow_client(settings), settings.model_name
    with registry_faults(
        f"a version of model {name!r}, or the run of one, was deleted: list again, and delete the "
        "version that has no run."
    ):
        found = client.search_model_versions(f"name = '{name}'")
        aliases = client.get_registered_model(name).aliases if found else {}
        return [
            Version(
                str(item.version),
                tuple(sorted(a for a, named in aliases.items() if str(named) == str(item.version))),
                datetime.fromtimestamp(item.creation_timestamp / 1000, UTC),
                dict(client.get_run(item.run_id).data.metrics),
                dict(item.tags),
                item.description or "",
            )
            for item in sorted(found, key=lambda item: -int(item.version))
        ]


def model_version(client: MlflowClient, name: str, version: str) -> ModelVersion:
    """What the registry holds on one version.

    Raises:
        NotFoundError: there is no such version.
        UnavailableError: the registry does not answer.
    """
    with registry_faults(
        f"version {version!r} of model {name!r} does not exist: `barometer models` lists those "
        "that do."
    ):
        return client.get_model_version(name, version)


def fetch(settings: Settings, version: str) -> Path:
    """The version's model folder on this disk; downloaded once, complete or not at all.

    Raises:
        UnavailableError: its files cannot be read.
        ModelError: they are not those that were registered.
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
            if open_model_folder(Path(scratch) / "whole").digest() != tags.get("digest"):
                raise ModelError(
                    f"version {version}: the store's files are not those that were registered. "
                    "Register the model anew."
                )
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


def registered_folder(settings: Settings, registered: ModelVersion) -> ModelFolder:
    """The folder of a version on this disk, checked to be what was registered.

    Raises:
        UnavailableError: its files cannot be read.
        ModelError: they are not those that were registered.
    """
    folder = open_model_folder(fetch(settings, str(registered.version)))
    if folder.digest() != registered.tags.get("digest"):
        raise ModelError(
            f"version {registered.version}: the files in {folder.path} are not those that were "
            "registered. Delete that folder to fetch them again; if they still differ, register "
            "the model anew."
        )
    return folder


def load(settings: Settings, version: str) -> LoadedModel:
    """A version, loaded, warmed up and checked against the answers that it was registered with.

    Raises:
        NotFoundError: there is no such version.
        UnavailableError: the registry does not answer, or its files cannot be read.
        ModelError: it is not the model that was registered.
    """
    registered = model_version(mlflow_client(settings), settings.model_name, version)
    folder = registered_folder(settings, registered)
    classifier = Classifier(folder, settings.session_threads, BACKENDS[settings.backend])
    return LoadedModel(version, classifier, check(classifier, registered.tags.get(CHECK_TAG)))


def load_champion(settings: Settings) -> LoadedModel:
    """The champion, as `load` loads it."""
    return load(settings, version_of(mlflow_client(settings), settings.model_name, CHAMPION))
