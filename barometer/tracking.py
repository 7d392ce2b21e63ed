"""MLflow's address, and its client, quiet and without phoning home."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from barometer.errors import NotFoundError, SettingsError, UnavailableError
from barometer.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"
"""The champion before this one, which a rollback puts back."""
EXPERIMENT = "barometer"


def tracking_uri(settings: Settings) -> str:
    """The URI in force: `MLFLOW_TRACKING_URI`, or a SQLite file in the state folder."""
    return settings.mlflow_tracking_uri or f"sqlite:///{settings.state / 'mlflow.db'}"


def artifact_root(settings: Settings) -> str:
    """Where runs keep their files: `ARTIFACT_ROOT`, or a folder in the state folder."""
    return settings.artifact_root or (settings.state / "mlflow-artifacts").as_uri()


def store_faults() -> tuple[type[Exception], ...]:
    """What a store may raise: MLflow's own, the disk's, and S3's where its client is installed."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - as below

    try:
        from boto3.exceptions import Boto3Error  # noqa: PLC0415 - the s3 extra
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    except ModuleNotFoundError:
        return (MlflowException, OSError)
    return (MlflowException, OSError, Boto3Error, BotoCoreError, ClientError)


@contextmanager
def registry_faults(missing: str) -> Iterator[None]:
    """Turn what the registry raises inside the block into errors that a person can act on.

    Args:
        missing: what to say where a name, alias or version is not there.

    Raises:
        NotFoundError: what the block asks for is not there.
        UnavailableError: the registry does not answer.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - as below

    try:
        yield
    except MlflowException as error:
        # An alias that is not set is to MLflow an invalid value of a parameter.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise NotFoundError(missing) from error
        raise UnavailableError(
            f"the model registry does not answer ({error.error_code})."
        ) from error


def prepare_mlflow() -> None:
    """Set MLflow's environment, which it reads when it is imported: quiet, patient for seconds."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    for chatty in ("mlflow.store", "mlflow.pyfunc"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def mlflow_client(settings: Settings) -> "MlflowClient":
    """A client of the tracking store and registry, with `mlflow`'s own defaults set alike.

    Raises:
        SettingsError: `ARTIFACT_ROOT` is not where the store keeps its files.
        UnavailableError: a configured server does not answer.
    """
    prepare_mlflow()
    import mlflow  # noqa: PLC0415 - a second to import, and its environment must stand first
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    uri = tracking_uri(settings)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        with _alone(uri):
            client = mlflow.MlflowClient(uri, uri)
            _ensure_experiment(client, settings)
    except MlflowException as error:
        if "RESOURCE_ALREADY_EXISTS" in str(error.error_code):  # another machine was first
            return client
        raise UnavailableError(
            f"the MLflow store does not answer ({type(error).__name__}): check "
            "BAROMETER_MLFLOW_TRACKING_URI."
        ) from error
    return client


def _ensure_experiment(client: "MlflowClient", settings: Settings) -> None:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        own = settings.artifact_root or not settings.mlflow_tracking_uri
        client.create_experiment(
            EXPERIMENT, artifact_location=artifact_root(settings) if own else None
        )
    elif settings.artifact_root not in ("", experiment.artifact_location):
        raise SettingsError(
            f"BAROMETER_ARTIFACT_ROOT={settings.artifact_root} cannot be used: this store's runs "
            f"lie in {experiment.artifact_location}, which MLflow cannot move. Unset it, or begin "
            "with a new store (BAROMETER_MLFLOW_TRACKING_URI)."
        )


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Hold other processes back: two that make MLflow's SQLite tables at once both fail."""
    if not uri.startswith("sqlite:///"):
        yield
        return
    file = Path(uri.removeprefix("sqlite:///") + ".lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        held = file.open("w")
    except OSError:  # a folder that may only be read holds a finished store
        yield
        return
    with held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
