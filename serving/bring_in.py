"""Hand a model to bring in to the flow `bring_in`, by name, and tell how far it is."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from barometer.errors import NotFoundError, UnavailableError

DEPLOYMENT: Final = "bring_in/bring_in"
TAG: Final = "bring-in"
TIMEOUT_S: Final = 10.0


async def start(source: str, labels: Mapping[str, str | None]) -> str:
    """Ask Prefect for a run of the flow; a worker takes it up.

    Returns:
        The run's id.

    Raises:
        UnavailableError: Prefect does not answer, or the flow is not deployed.
    """
    async with _prefect() as http:
        found = await http.get(f"/deployments/name/{DEPLOYMENT}")
        if found.status_code == httpx.codes.NOT_FOUND:
            raise UnavailableError(
                f"the flow {DEPLOYMENT} is not deployed: `prefect deploy --all` does so."
            )
        deployment = found.raise_for_status().json()["id"]
        content = {"parameters": {"source": source, "labels": dict(labels)}, "tags": [TAG]}
        run = await http.post(f"/deployments/{deployment}/create_flow_run", json=content)
        return str(run.raise_for_status().json()["id"])


async def progress(job: str) -> dict[str, Any]:
    """A job's state, its progress in per cent, and what it does or why it failed.

    Raises:
        NotFoundError: there is no such job.
        UnavailableError: Prefect does not answer.
    """
    if not os.environ.get("PREFECT_API_URL"):
        raise NotFoundError(f"job {job} does not exist: this service knows no Prefect server.")
    async with _prefect() as http:
        found = await http.get(f"/flow_runs/{job}")
        if found.status_code == httpx.codes.NOT_FOUND:
            raise NotFoundError(f"job {job} does not exist.")
        run = found.raise_for_status().json()
        if TAG not in run["tags"]:
            raise NotFoundError(f"job {job} is a run of another flow.")
        asked = {
            "flow_runs": {"id": {"any_": [job]}},
            "artifacts": {"type": {"any_": ["progress"]}},
        }
        steps = (await http.post("/artifacts/filter", json=asked)).raise_for_status().json()
    state = run["state"] or {"type": "PENDING", "message": None}
    newest = max(steps, key=lambda step: step["updated"], default={"data": 0, "description": None})
    return {
        "job": job,
        "source": run["parameters"].get("source"),
        "state": state["type"].lower(),
        "progress": newest["data"],
        "detail": state["message"] or newest["description"],
        "started_at": run["start_time"],
        "ended_at": run["end_time"],
    }


@asynccontextmanager
async def _prefect() -> AsyncIterator[httpx.AsyncClient]:
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        raise UnavailableError(
            "PREFECT_API_URL is not set, so no flow can be asked: `barometer up` sets it."
        )
    try:
        async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S) as http:
            yield http
    except httpx.HTTPError as error:
        raise UnavailableError(
            f"Prefect's server does not answer as it should ({type(error).__name__})."
        ) from error
