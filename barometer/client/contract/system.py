"""The parts of the system."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from barometer.client.contract.content import Content
from barometer.client.contract.mood import Count


class PartState(Content):
    """One part of the system."""

    ok: bool
    """Whether it is as it should be."""
    detail: str
    """Its state in words."""


class Status(Content):
    """The answer of `/status`."""

    status: Literal["ok", "degraded"]
    """`degraded` when a part is not as it should be."""
    parts: dict[str, PartState]
    """Every part by name."""
    model_version: str
    """Version of the champion."""
    links: dict[str, str]
    """Addresses of the other user interfaces."""


class SourceState(Content):
    """A source of posts."""

    name: str = Field(examples=["rss"])
    """Its name."""
    state: Literal["ready", "failing", "missing setting"]
    """How it stands."""
    detail: str
    """What it does, what it lacks, or how it fails."""
    posts: Count
    """Posts that it has brought."""
    last_ok_at: datetime | None
    """When it was last read without fault, UTC."""


class SourceList(Content):
    """The answer of `/sources`."""

    sources: list[SourceState]
    """Every source."""


class DriftColumn(Content):
    """One feature of the posts, compared with the reference."""

    test: str
    """The distance that was measured."""
    score: float | None
    """The distance."""
    threshold: float
    """From which distance on it counts as drifted."""
    drifted: bool
    """Whether it does."""


class DriftReport(Content):
    """A comparison of the live window with the rows that the model was measured on."""

    name: str
    """Its name in addresses."""
    created_at: datetime
    """When it was made, UTC."""
    window_start: datetime
    """The oldest live post's time, UTC."""
    window_end: datetime
    """The newest live post's time, UTC."""
    posts: Count
    """Live posts that were compared."""
    model_version: str
    """Version of the model."""
    reference: str
    """What they were compared with."""
    drifted: bool
    """The verdict."""
    columns: dict[str, DriftColumn]
    """Every feature by name."""
    left_out: list[str]
    """Features that a model lacks."""
    url: str
    """The report's page."""


class DriftList(Content):
    """The answer of `/drift`."""

    reports: list[DriftReport]
    """Newest first."""
