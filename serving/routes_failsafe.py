"""Routes about what answers while the model fails: `/failsafe`, `/failsafe/reset`."""

from typing import Any

from fastapi import APIRouter

from barometer.client.contract import FailsafeState
from serving.openapi import answer
from serving.routes_mood import WithParts

router = APIRouter(tags=["system"])


@router.get("/failsafe", responses=answer(FailsafeState, "How it stands."))
async def failsafe(parts: WithParts) -> dict[str, Any]:
    """The breaker, the chain, and how many texts each of its links answered since the start."""
    return parts.failsafe.state()


@router.post("/failsafe/reset", responses=answer(FailsafeState, "How it stands."))
async def reset(parts: WithParts) -> dict[str, Any]:
    """Close the breaker: the next request asks the model again."""
    parts.failsafe.reset()
    return parts.failsafe.state()
