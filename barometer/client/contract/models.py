"""What is said of the models: registered versions, what answers, and what is on trial."""

from datetime import datetime
from typing import Any

from pydantic import Field

from barometer.client.contract.content import Content
from barometer.client.contract.mood import Count


class Traffic(Content):
    """What one process was asked of a version since it started."""

    requests: Count
    """Requests that it had a part in."""
    texts: Count
    """Texts that it was picked for."""


class RegisteredModel(Content):
    """One registered version."""

    version: str = Field(examples=["3"])
    """Its number in the registry."""
    aliases: list[str] = Field(examples=[["champion"]])
    """Aliases that name it."""
    stage: str = Field(examples=["production"])
    """staging, shadow, canary, production or retired."""
    created_at: datetime
    """When it was registered, UTC."""
    metrics: dict[str, float]
    """Its figures by name, such as `validation.emotion.accuracy`."""
    gate: str | None
    """`pass` or `fail`; null where it was not through the gate."""
    gate_against: str | None
    """The champion that the gate compared it with."""
    rolled_back: str | None
    """Why a trial of it was ended; null where none was."""
    refused: str | None
    """Why this process does not load it; null where it does."""
    bytes: Count | None
    """Size of its folder."""
    loaded: bool
    """Whether this process holds it."""
    texts_per_s: float | None
    """Speed when it was loaded here; null where it was not measured."""
    traffic: Traffic
    """What this process was asked of it."""


class ModelDetails(RegisteredModel):
    """One registered version with its model card."""

    card: str
    """The card, Markdown."""


class ModelAlert(Content):
    """Something about a model that a person should know."""

    time: datetime
    """When, UTC."""
    message: str
    """What happened."""


class ModelList(Content):
    """The answer of `/models`."""

    name: str
    """The registered model's name."""
    champion: str
    """The version that answers unless a request names another."""
    note: str | None
    """Why the champion is not the registry's; null where it is."""
    registry_fault: str | None
    """Why no version is listed; null where the registry answers."""
    trial: dict[str, Any] | None
    """The challenger on trial and its figures beside the champion's; null where none is."""
    alerts: list[ModelAlert]
    """The newest of them, oldest first."""
    models: list[RegisteredModel]
    """Every version, newest first."""


class ModelJob(Content):
    """A model that is to be brought in."""

    job: str
    """The job's id."""
    url: str
    """Where its progress is told."""


class ModelJobProgress(Content):
    """How far a job is."""

    job: str
    """The job's id."""
    source: str | None
    """What is brought in."""
    state: str = Field(examples=["running"])
    """Prefect's state of the run, such as scheduled, running, completed, failed."""
    progress: float = Field(ge=0, le=100)
    """Per cent."""
    detail: str | None
    """What it does, or why it failed."""
    started_at: datetime | None
    """When a worker took it up, UTC."""
    ended_at: datetime | None
    """When it ended, UTC."""


class Promoted(Content):
    """A canary that became champion."""

    champion: str
    """The version that is champion now."""
    previous: str
    """The version that was."""
