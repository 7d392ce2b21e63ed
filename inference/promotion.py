"""Move the champion's alias, forth and back; the registry remembers who was champion when."""

from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from barometer.errors import ConflictError, NotFoundError, UnavailableError
from barometer.settings import Settings
from barometer.tracking import CHALLENGER, CHAMPION, PREVIOUS, mlflow_client
from inference.registry import version_of
from inference.stages import (
    CANARY,
    PRODUCTION,
    RETIRED,
    ROLLED_BACK_TAG,
    STAGE_TAG,
    STAGING,
    require_gate,
)


def promote(settings: Settings, version: str, over: str) -> None:
    """Make `version` the champion in place of `over`, which stays known as `previous`.

    Raises:
        ConflictError: the champion is no longer `over`; nothing has changed.
        UnavailableError: the registry does not answer.
    """
    client, name = mlflow_client(settings), settings.model_name
    current = version_of(client, name, CHAMPION)
    if current != over:
        raise ConflictError(
            f"version {current} became champion while version {version} was compared with "
            f"{over}: run `barometer release` again."
        )
    try:
        client.set_registered_model_alias(name, PREVIOUS, over)
        client.set_registered_model_alias(name, CHAMPION, version)
        client.set_model_version_tag(name, version, "champion_since", _now())
        client.set_model_version_tag(name, version, STAGE_TAG, PRODUCTION)
        client.set_model_version_tag(name, over, "champion_until", _now())
        client.set_model_version_tag(name, over, STAGE_TAG, RETIRED)
        if _alias(client, name, CHALLENGER) == version:
            client.delete_registered_model_alias(name, CHALLENGER)
    except MlflowException as error:
        raise _unavailable(error) from error


def promote_canary(settings: Settings, version: str) -> str:
    """Make a canary the champion: the last step of staging, canary, production.

    Returns:
        The version that was champion before.

    Raises:
        ConflictError: it is no canary, or has not passed the gate against today's champion.
        UnavailableError: the registry does not answer.
    """
    client, name = mlflow_client(settings), settings.model_name
    try:
        champion = require_gate(client, name, version)
        tags = client.get_model_version(name, version).tags
    except MlflowException as error:
        raise _unavailable(error) from error
    stage = tags.get(STAGE_TAG, STAGING)
    if stage != CANARY:
        why = f" ({tags[ROLLED_BACK_TAG]})" if ROLLED_BACK_TAG in tags else ""
        raise ConflictError(
            f"version {version} is in {stage}{why}, not a canary: `barometer release --canary` "
            "makes it one."
        )
    promote(settings, version, over=champion)
    return champion


def rollback(settings: Settings) -> tuple[str, str]:
    """Put the former champion back; a second call takes the first one back.

    Returns:
        The new champion's version and the old one's.

    Raises:
        NotFoundError: there is no former champion.
        UnavailableError: the registry does not answer.
    """
    client, name = mlflow_client(settings), settings.model_name
    current = version_of(client, name, CHAMPION)
    try:
        former = _alias(client, name, PREVIOUS)
        if former in (None, current):
            raise NotFoundError(
                f"version {current} of model {name!r} has no former champion: `barometer release` "
                "makes one."
            )
        # The champion moves first: where the second call fails, the service is right already.
        client.set_registered_model_alias(name, CHAMPION, former)
        client.set_registered_model_alias(name, PREVIOUS, current)
        client.set_model_version_tag(name, former, "champion_since", _now())
        client.set_model_version_tag(name, former, STAGE_TAG, PRODUCTION)
        client.set_model_version_tag(name, current, "rolled_back", _now())
        client.set_model_version_tag(name, current, STAGE_TAG, RETIRED)
    except MlflowException as error:
        raise _unavailable(error) from error
    return str(former), current


def _alias(client: MlflowClient, name: str, alias: str) -> str | None:
    aliases: dict[str, str] = client.get_registered_model(name).aliases
    return str(aliases[alias]) if alias in aliases else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _unavailable(error: MlflowException) -> UnavailableError:
    return UnavailableError(f"the model registry does not answer ({error.error_code}).")
