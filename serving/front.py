"""How BentoML and Barometer share the port: every request comes to Barometer's application first.

BentoML's probes are asked for from inside it, so that keys, headers and errors are the
same everywhere; its other routes (an index page, a schema of its own) are not there.
"""

from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barometer.errors import UnavailableError
from serving.openapi import text_answer

BENTO: Final = "barometer.bento"
"""Where the scope holds BentoML's answer to this very request."""
router = APIRouter(tags=["system"], default_response_class=PlainTextResponse)


class Front:
    """The layer that BentoML puts round its routes (`Service.add_asgi_middleware`)."""

    def __init__(self, app: ASGIApp, barometer: ASGIApp) -> None:
        """`app` is BentoML's, `barometer` answers instead of it."""
        self._bento = app
        self._barometer = barometer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to Barometer, BentoML's own start and end to BentoML."""
        if scope["type"] == "lifespan":
            await self._bento(scope, receive, send)
            return
        own = {**scope, BENTO: partial(self._bento, dict(scope))}
        if scope.get("method") == "HEAD":  # a GET whose body the server leaves out
            own["method"] = "GET"
        await self._barometer(own, receive, send)


async def _ask_bento(request: Request) -> Response:
    """BentoML's answer to this request.

    Raises:
        UnavailableError: it says that the service cannot work, or no BentoML is round the app.
    """
    bento = request.scope.get(BENTO)
    if bento is None:
        raise UnavailableError(f"{request.url.path}: is answered under `barometer serve` only.")
    start: dict[str, Any] = {}
    body = bytearray()

    async def take(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        body.extend(message.get("body", b""))

    await bento(request.receive, take)
    if start["status"] >= 400:
        raise UnavailableError(f"{request.url.path}: the service cannot work at the moment.")
    kind = dict(start["headers"]).get(b"content-type", b"text/plain").decode("latin-1")
    return Response(bytes(body), start["status"], {"Content-Type": kind})


@router.get("/healthz", responses=text_answer("The process is alive.", 503))
async def healthz(request: Request) -> Response:
    """Whether the process is alive."""
    return await _ask_bento(request)


@router.get("/livez", responses=text_answer("The process is alive.", 503))
async def livez(request: Request) -> Response:
    """Whether the process is alive, by Kubernetes' name."""
    return await _ask_bento(request)


@router.get("/readyz", responses=text_answer("Requests may come.", 503))
async def readyz(request: Request) -> Response:
    """Whether the service is ready for requests: the model is loaded, the database answers."""
    return await _ask_bento(request)
