"""How far a version has come: staging, (shadow,) canary, production; a registry tag says so."""

from typing import Final, Literal

from mlflow import MlflowClient

from barometer.errors import ConflictError
from barometer.settings import Settings
from barometer.tracking import CHALLENGER, CHAMPION, mlflow_client, registry_faults

STAGING: Final = "staging"
"""Registered; answers only those who ask for it by name."""
SHADOW: Final = "shadow"
"""Scores what the champion answers, unseen."""
CANARY: Final = "canary"
"""Answers a share of the texts, and is compared with the champion on them."""
PRODUCTION: Final = "production"
"""The champion."""
RETIRED: Final = "retired"
"""A former champion."""
STAGE_TAG: Final = "stage"
ROLLED_BACK_TAG: Final = "canary_rolled_back"
"""Why a canary was taken back, until it is tried again."""


def stage_of(tags: dict[str, str], aliases: tuple[str, ...]) -> str:
    """A version's stage: the alias decides who is in production, the tag about the rest."""
    if CHAMPION in aliases:
        return PRODUCTION
    tagged = tags.get(STAGE_TAG, STAGING)
    return RETIRED if tagged == PRODUCTION else tagged


def put_on_trial(settings: Settings, version: str, stage: Literal["shadow", "canary"]) -> None:
    """Make a version that has passed the gate the challenger, with traffic as `stage` says.

    Raises:
        NotFoundError: there is no such version, or no champion.
        ConflictError: it has not passed the gate against the champion of today.
        UnavailableError: the registry does not answer.
    """
    client, name = mlflow_client(settings), settings.model_name
    with registry_faults(f"version {version!r} of model {name!r} does not exist."):
        require_gate(client, name, version)
        former = client.get_registered_model(name).aliases.get(CHALLENGER)
        if former not in (None, version):
            withdraw(client, name, str(former))
        client.set_registered_model_alias(name, CHALLENGER, version)
        if ROLLED_BACK_TAG in client.get_model_version(name, version).tags:
            client.delete_model_version_tag(name, version, ROLLED_BACK_TAG)
        client.set_model_version_tag(name, version, STAGE_TAG, stage)


def withdraw(client: MlflowClient, name: str, version: str, reason: str | None = None) -> None:
    """Take a version's traffic away: back to staging, with the reason where it was worse."""
    if reason:
        client.set_model_version_tag(name, version, ROLLED_BACK_TAG, reason)
    if client.get_model_version(name, version).tags.get(STAGE_TAG) in (SHADOW, CANARY):
        client.set_model_version_tag(name, version, STAGE_TAG, STAGING)


def require_gate(client: MlflowClient, name: str, version: str) -> str:
    """The champion's version, if `version` has passed the gate against it.

    Raises:
        ConflictError: it has not; the sentence says what it lacks.
    """
    champion = str(client.get_model_version_by_alias(name, CHAMPION).version)
    if champion == version:
        raise ConflictError(f"version {version} is the champion already.")
    tags = client.get_model_version(name, version).tags
    if tags.get("gate") != "pass":
        said = "was refused by the gate" if "gate" in tags else "has not been through the gate"
        raise ConflictError(f"version {version} {said}: `barometer release --canary` runs it.")
    if tags.get("gate_against") != champion:
        raise ConflictError(
            f"version {version} passed the gate against version {tags.get('gate_against')}, but "
            f"version {champion} is champion now: run `barometer release --canary` again."
        )
    return champion
