"""Routes about the system: its parts, its sources, its drift reports, and the live WebSocket."""

import asyncio
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Path, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from barometer.client.contract import DriftList, SourceList, Status
from barometer.errors import BrokerError
from ingestion.states import source_lines
from monitoring.reports import latest_reports, report_file
from serving.access import LIVE_PROTOCOL
from serving.heartbeat import HEARTBEAT
from serving.live_hub import LiveHub
from serving.openapi import answer, text_answer
from serving.parts import Parts
from serving.routes_mood import WithParts

router = APIRouter(tags=["system"])
SYNC_LATE_S = 900.0
"""The flow looks every five minutes: three looks without a write mean that nobody looks."""
ReportName = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$")]


@router.get("/status", responses=answer(Status, "Every part's state."))
async def status(parts: WithParts) -> dict[str, Any]:
    """Every part's state; `degraded` when one of them is not as it should be."""
    database, redis, stream, scorer, sync = await asyncio.gather(
        run_in_threadpool(_database, parts),
        run_in_threadpool(_redis, parts),
        run_in_threadpool(_stream, parts),
        run_in_threadpool(_scorer, parts),
        run_in_threadpool(_sync, parts),
    )
    note, champion = parts.models.note, parts.models.champion
    named = f"{parts.settings.model_name} version {champion.version}"
    model = _fault(note) if note else _fine(named)
    checked = {
        "database": database,
        "redis": redis,
        "stream": stream,
        "model": model,
        "failsafe": _failsafe(parts),
        "scorer": scorer,
        "sync": sync,
    }
    healthy = all(part["ok"] for part in checked.values())
    return {
        "status": "ok" if healthy else "degraded",
        "parts": checked,
        "model_version": champion.version,
        "alerts": list(parts.models.alerts),
        "links": {**parts.settings.ui_links, "API": "/docs"},
    }


@router.get("/sources", responses=answer(SourceList, "Every source."))
def list_sources(parts: WithParts) -> dict[str, Any]:
    """Every source: ready, limited, failing, or which setting it lacks."""
    return {"sources": [vars(line) for line in source_lines(parts.settings, parts.engine)]}


@router.get("/drift", responses=answer(DriftList, "The newest reports."))
def drift(parts: WithParts) -> dict[str, Any]:
    """The newest drift reports, newest first."""
    return {"reports": latest_reports(parts.engine)}


@router.get(
    "/drift/{name}",
    response_class=FileResponse,
    responses=text_answer("Evidently's page.", kind="text/html"),
)
def drift_page(name: ReportName, parts: WithParts) -> FileResponse:
    """One report as Evidently's page."""
    return FileResponse(report_file(parts.settings, parts.engine, name), media_type="text/html")


@router.websocket("/live")
async def live(socket: WebSocket) -> None:
    """What happens, as it happens."""
    origin = socket.headers.get("origin", "")
    own = urlsplit(origin).netloc in ("", socket.headers.get("host"))
    if not own and origin not in socket.app.state.parts.settings.cors_origins:
        await socket.close(1008, "pages of other sites may not listen")
        return
    hub: LiveHub = socket.app.state.hub
    if hub.full:
        await socket.close(1013, "too many clients: try again later")
        return
    await socket.accept(LIVE_PROTOCOL if LIVE_PROTOCOL in socket["subprotocols"] else None)
    async with hub.client() as queue:
        gone = asyncio.create_task(_until_gone(socket))
        try:
            while not gone.done():
                message = asyncio.create_task(queue.get())
                await asyncio.wait({message, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not message.done():
                    message.cancel()
                    return
                await socket.send_text(message.result())
        except (WebSocketDisconnect, RuntimeError):
            return  # the client left between two messages
        finally:
            gone.cancel()


async def _until_gone(socket: WebSocket) -> None:
    """Clients have nothing to say; reading is how their leaving is noticed."""
    try:
        while True:
            await socket.receive_text()
    except (WebSocketDisconnect, RuntimeError, KeyError):
        return


def _fine(detail: str) -> dict[str, Any]:
    return {"ok": True, "detail": detail}


def _fault(detail: str) -> dict[str, Any]:
    return {"ok": False, "detail": detail}


def _database(parts: Parts) -> dict[str, Any]:
    try:
        with parts.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        return _fault(f"does not answer ({type(error).__name__})")
    return _fine(parts.engine.dialect.name)


def _redis(parts: Parts) -> dict[str, Any]:
    try:
        parts.redis.ping()
    except RedisError as error:
        return _fault(f"does not answer ({type(error).__name__})")
    return _fine("answers")


def _stream(parts: Parts) -> dict[str, Any]:
    try:
        backlog = parts.broker.backlog()
    except BrokerError as error:
        return _fault(str(error))
    most = parts.settings.stream_high_water
    if backlog > most:
        return _fault(f"{backlog:,} posts waiting, over {most:,}: none is taken; start scorers")
    return _fine(f"{parts.broker.name}: {backlog:,} posts waiting")


def _failsafe(parts: Parts) -> dict[str, Any]:
    breaker = parts.failsafe.breaker.state
    if breaker != "closed":
        return _fault(f"the breaker round the model is {breaker}: GET /failsafe says since when")
    if parts.failsafe.degraded:
        return _fault("the last answer was a fallback's: GET /failsafe says why")
    return _fine(f"breaker {breaker}")


def _scorer(parts: Parts) -> dict[str, Any]:
    try:
        version: Any = parts.redis.get(HEARTBEAT)
    except RedisError:
        return _fault("unknown while Redis is away")
    if version is None:
        return _fault("no scorer has been heard of for 15 s: start `barometer work`")
    return _fine(f"works with model version {version}")


def _sync(parts: Parts) -> dict[str, Any]:
    try:
        waiting = parts.unsynced.waiting()
    except RedisError:
        return _fault("unknown while Redis is away")
    told = f"{waiting.count:,} analyses wait for the database"
    if waiting.count:
        told += f", the oldest for {waiting.oldest_s:,.0f} s"
    if waiting.full:
        return _fault(f"{told}, and no more are queued: run `barometer sync --now`")
    if waiting.oldest_s > parts.settings.sync_max_age_s + SYNC_LATE_S:
        return _fault(f"{told}: run `barometer sync`, or the flow of that name")
    return _fine(told)
