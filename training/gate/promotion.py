"""Move the champion's alias, forth and back; the registry remembers who was champion when."""

from datetime import UTC, datetime

from mlflow import MlflowClient

from barometer.errors import ConflictError, NotFoundError
from barometer.settings import Settings
from barometer.tracking import CHALLENGER, CHAMPION, PREVIOUS, mlflow_client
from inference.registry import registry_faults, version_of


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
        client.set_registered_model_alias(name, PREVIOUS, over)
        client.set_registered_model_alias(name, CHAMPION, version)
        client.set_model_version_tag(name, version, "champion_since", _now())
        client.set_model_version_tag(name, over, "champion_until", _now())
        if _alias(client, name, CHALLENGER) == version:
            client.delete_registered_model_alias(name, CHALLENGER)


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
        if former in (None, current):
            raise NotFoundError(
                f"version {current} of model {name!r} has no former champion: `barometer release` "
                "makes one."
            )
        # The champion moves first: where the second call fails, the service is right already.
        client.set_registered_model_alias(name, CHAMPION, former)
        client.set_registered_model_alias(name, PREVIOUS, current)
        client.set_model_version_tag(name, former, "champion_since", _now())
        client.set_model_version_tag(name, current, "rolled_back", _now())
    return str(former), current


def _alias(client: MlflowClient, name: str, alias: str) -> str | None:
    aliases: dict[str, str] = client.get_registered_model(name).aliases
    return str(aliases[alias]) if alias in aliases else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _gone(name: str) -> str:
    return f"a version of model {name!r} was deleted meanwhile: `barometer models` lists the rest."
