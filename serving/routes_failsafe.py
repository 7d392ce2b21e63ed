"""Routes about what answers while the model fails: `/failsafe`, `/failsafe/reset`."""

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from serving.breaker import State
from serving.openapi import answer
from serving.routes_mood import WithParts

router = APIRouter(tags=["system"])


class BreakerState(BaseModel):
    """The circuit breaker round the local model."""

    state: State
    failures: int
    opens_at: int
    window_s: float
    rest_s: float
    opened_at: datetime | None
    half_open_in_s: float | None


class Link(BaseModel):
    """One of those who may answer, in the order in which they are asked."""

    name: Literal["model", "llm", "vader"]
    available: bool
    detail: str


class Failure(BaseModel):
    """The model's last failure: what kind of error, never a text."""

    kind: str
    at: datetime


class FailsafeState(BaseModel):
    """What happened to the model, and who answers."""

    degraded: bool
    breaker: BreakerState
    chain: list[Link]
    answered: dict[Literal["model", "llm", "vader"], int]
    last_failure: Failure | None


@router.get("/failsafe", responses=answer(FailsafeState, "How it stands."))
async def failsafe(parts: WithParts) -> dict[str, Any]:
    """The breaker, the chain, and how many texts each of its links answered since the start."""
    return parts.failsafe.state()


@router.post("/failsafe/reset", responses=answer(FailsafeState, "How it stands."))
async def reset(parts: WithParts) -> dict[str, Any]:
    """Close the breaker: the next request asks the model again."""
    parts.failsafe.reset()
    return parts.failsafe.state()
