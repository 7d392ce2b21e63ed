"""Hand a model to bring in to the flow `bring_in`, by name, and tell how far it is."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import httpx
import stamina

from barometer.errors import NotFoundError, UnavailableError

DEPLOYMENT: Final = "bring_in/bring_in"
TAG: Final = "bring-in"
TIMEOUT_S: Final = 10.0
ATTEMPTS: Final = 4
PATIENCE_S: Final = 20.0
"""For all attempts at one question."""


async def start(source: str, labels: Mapping[str, str | None]) -> str:
    """Ask Prefect for a run of the flow; a worker takes it up.

    Returns:
        The run's id.

    Raises:
        UnavailableError: Prefect does not answer, or the flow is not deployed.
    """
    async with _prefect() as http:
        deployment = await _ask(http, "GET", f"/deployments/name/{DEPLOYMENT}")
        if deployment is None:
            raise UnavailableError(
                f"the flow {DEPLOYMENT} is not deployed: `prefect deploy --all` does so."
            )
        content = {
            "parameters": {"source": source, "labels": dict(labels)},
            "tags": [TAG],
            "idempotency_key": str(uuid4()),  # asked twice, it is still one run
        }
        run = await _ask(http, "POST", f"/deployments/{deployment['id']}/create_flow_run", content)
        return str(run["id"])


async def progress(job: str) -> dict[str, Any]:
    """A job's state, its progress in per cent, and what it does or why it failed.

    Raises:
        NotFoundError: there is no such job.
        UnavailableError: Prefect does not answer.
    """
    if not os.environ.get("PREFECT_API_URL"):
        raise NotFoundError(f"job {job} does not exist: this service knows no Prefect server.")
    async with _prefect() as http:
        run = await _ask(http, "GET", f"/flow_runs/{job}")
        if run is None or TAG not in run["tags"]:
            raise NotFoundError(f"job {job} does not exist.")
        asked = {
            "flow_runs": {"id": {"any_": [job]}},
            "artifacts": {"type": {"any_": ["progress"]}},
        }
        steps = await _ask(http, "POST", "/artifacts/filter", asked)
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


async def _ask(http: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    """What Prefect answers; None for what it does not know.

    Its SQLite store may be locked for a moment, which it answers with a 5xx: asked again then.
    """
    answer: Any = None
    async for attempt in stamina.retry_context(_may_pass, attempts=ATTEMPTS, timeout=PATIENCE_S):
        with attempt:
            response = await http.request(method, path, json=body)
            known = response.status_code != httpx.codes.NOT_FOUND
            answer = response.raise_for_status().json() if known else None
    return answer


def _may_pass(error: Exception) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return isinstance(error, httpx.TransportError)


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
    except httpx.HTTPStatusError as error:
        raise UnavailableError(
            f"Prefect's server answered {error.response.status_code} to {error.request.url.path}."
        ) from error
    except httpx.HTTPError as error:
        raise UnavailableError(
            f"Prefect's server does not answer ({type(error).__name__})."
        ) from error
