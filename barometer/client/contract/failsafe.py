"""What is said of the model's failures, and of who answers in its stead."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from barometer.client.contract.content import Content
from barometer.client.contract.mood import Count

Answerer = Literal["model", "llm", "vader"]


class BreakerState(Content):
    """The circuit breaker round the local model."""

    state: Literal["closed", "open", "half-open"]
    """`closed`: the model is asked; `open`: it rests; `half-open`: one call tries it."""
    failures: Count
    """Failures within the window; 0 unless it is closed."""
    opens_at: Count
    """How many open it."""
    window_s: float
    """Seconds for which a failure counts."""
    rest_s: float
    """Seconds that it rests once it is open."""
    opened_at: datetime | None
    """When it opened, UTC; null where it is closed."""
    half_open_in_s: float | None
    """Seconds until a call tries again; null unless it is open."""


class FailsafeLink(Content):
    """One of those who may answer."""

    name: Answerer
    """Which."""
    available: bool
    """Whether the next text would be sent to it."""
    detail: str
    """Its state in words."""


class Failure(Content):
    """A failure of the model: never a text."""

    kind: str = Field(examples=["ModelError"])
    """The kind of error."""
    at: datetime
    """When, UTC."""


class FailsafeState(Content):
    """The answer of `/failsafe`: what happened to the model, and who answers."""

    degraded: bool
    """Whether something else than the model answers, or did so last."""
    breaker: BreakerState
    """The circuit breaker round the local model."""
    chain: list[FailsafeLink]
    """Those who may answer, in the order in which they are asked."""
    answered: dict[Answerer, Count]
    """Texts that each answered since the start."""
    last_failure: Failure | None
    """The model's last failure; null where there was none."""
