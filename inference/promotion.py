"""Move the champion's alias, forth and back; the registry remembers who was champion when."""

from datetime import UTC, datetime

import structlog
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from barometer.errors import ConflictError, NotFoundError
from barometer.settings import Settings
from barometer.tracking import CHALLENGER, CHAMPION, PREVIOUS, mlflow_client, registry_faults
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

log = structlog.get_logger()


def promote(settings: Settings, version: str, over: str) -> None:
    """Make `version` the champion in place of `over`, which stays known as `previous`.

    Raises:
        ConflictError: the champion is no longer `over`; nothing has changed.
        NotFoundError: one of the two versions was deleted meanwhile.
        UnavailableError: the registry does not answer.
    """
    client, name = mlflow_client(settings), settings.model_name
    current = version_of(client, name, CHAMPION)
    if current != over:
        raise ConflictError(
            f"version {current} became champion while version {version} was compared with "
            f"{over}: run `barometer release` again."
        )
    with registry_faults(_gone(name)):
        before = _alias(client, name, PREVIOUS)
        client.set_registered_model_alias(name, PREVIOUS, over)
        try:
            client.set_registered_model_alias(name, CHAMPION, version)
        except MlflowException:
            # Nothing was promoted, so the way back is the one that it was.
            if before is None:
                client.delete_registered_model_alias(name, PREVIOUS)
            else:
                client.set_registered_model_alias(name, PREVIOUS, before)
            raise
    _tell(client, name, version, {"champion_since": _now(), STAGE_TAG: PRODUCTION})
    _tell(client, name, over, {"champion_until": _now(), STAGE_TAG: RETIRED})
    with registry_faults(_gone(name)):
        if _alias(client, name, CHALLENGER) == version:
            client.delete_registered_model_alias(name, CHALLENGER)


def promote_canary(settings: Settings, version: str) -> str:
    """Make a canary the champion: the last step of staging, canary, production.

    Returns:
        The version that was champion before.

    Raises:
        NotFoundError: there is no such version.
        ConflictError: it is no canary, or has not passed the gate against today's champion.
        UnavailableError: the registry does not answer.
    """
    client, name = mlflow_client(settings), settings.model_name
    with registry_faults(f"version {version!r} of model {name!r} does not exist."):
        champion = require_gate(client, name, version)
        tags = client.get_model_version(name, version).tags
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
        NotFoundError: there is no former champion, or it was deleted meanwhile.
        UnavailableError: the registry does not answer.
    """
    client, name = mlflow_client(settings), settings.model_name
    current = version_of(client, name, CHAMPION)
    with registry_faults(_gone(name)):
        former = _alias(client, name, PREVIOUS)
        if former is None or former == current:
            raise NotFoundError(
                f"version {current} of model {name!r} has no former champion: `barometer release` "
                "makes one."
            )
        # The champion moves first: where the second call fails, the service is right already.
        client.set_registered_model_alias(name, CHAMPION, former)
        client.set_registered_model_alias(name, PREVIOUS, current)
    _tell(client, name, former, {"champion_since": _now(), STAGE_TAG: PRODUCTION})
    _tell(client, name, current, {"rolled_back": _now(), STAGE_TAG: RETIRED})
    return former, current


def _tell(client: MlflowClient, name: str, version: str, tags: dict[str, str]) -> None:
    """Write tags for the reader; the alias has moved already, and what it says is what counts."""
    try:
        for key, value in tags.items():
            client.set_model_version_tag(name, version, key, value)
    except MlflowException as error:
        log.warning("a version's tags are not written", version=version, reason=error.error_code)


def _alias(client: MlflowClient, name: str, alias: str) -> str | None:
    aliases: dict[str, str] = client.get_registered_model(name).aliases
    return str(aliases[alias]) if alias in aliases else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _gone(name: str) -> str:
    return f"a version of model {name!r} was deleted meanwhile: `barometer models` lists the rest."
