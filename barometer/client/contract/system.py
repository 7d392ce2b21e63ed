"""The parts of the system."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from barometer.client.contract.content import Content
from barometer.client.contract.models import ModelAlert
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
    alerts: list[ModelAlert] = Field(default=[])
    """The newest about models, oldest first."""
    links: dict[str, str]
    """Addresses of the other user interfaces."""


class SourceState(Content):
    """A source of posts."""

    name: str = Field(examples=["rss"])
    """Its name."""
    state: Literal["ready", "limited", "failing", "missing setting"]
    """How it stands."""
    detail: str = Field(examples=["a news search for the keywords, and feeds"])
    """What it reads, what it lacks, why it is limited, or how it fails."""
    limited_until: datetime | None
    """When it may be asked again, UTC."""
    last_ok_at: datetime | None
    """When it was last read without fault, UTC."""
    last_post_at: datetime | None
    """When the newest of its posts was written, UTC."""
    posts_today: Count
    """Posts that it has brought today (UTC)."""
    posts: Count
    """Posts that it has brought."""
    may_train: bool
    """Whether its terms allow a model to learn from its posts."""
    trackable: bool
    """Whether an event may ask for it: `sources` of `POST /events`."""


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
    languages: str = Field("all", examples=["en"])
    """The languages whose posts were compared, joined by commas; `all`: every one."""
    other_languages: dict[str, Count] = Field(default={}, examples=[{"de": 4, "fr": 2}])
    """Posts of the same hours in other languages, by language: they were left out."""
    url: str
    """The report's page."""


class DriftList(Content):
    """The answer of `/drift`."""

    reports: list[DriftReport]
    """Newest first."""
