"""The HTTP application: routes, errors, guards, the dashboard's files."""

from importlib import resources
from pathlib import Path

import bentoml
from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.routing import Match

from barometer import __version__
from barometer.settings import Settings
from ingestion.catalog import searchable
from serving import (
    front,
    metrics,
    openapi,
    problems,
    routes_analytics,
    routes_events,
    routes_failsafe,
    routes_models,
    routes_mood,
    routes_state,
)
from serving.access import ApiKeys, RateLimit
from serving.analysis import Analyst
from serving.guards import BodyLimit, Cors, Deadline, SecurityHeaders, Unforeseen
from serving.hot_words import HotWords
from serving.live_hub import LiveHub
from serving.parts import Parts
from serving.webhooks import Webhooks

DASHBOARD = Path(str(resources.files("serving"))) / "dashboard"
SWAGGER = Path(bentoml.__file__).parent / "_internal" / "server" / "static_content"
"""Swagger UI as BentoML carries it, so that no page loads anything from elsewhere."""

METHODS = ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"]


def create_app() -> FastAPI:
    """The application; `attach` gives it its parts before the first request."""
    app = FastAPI(
        title="Barometer",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/docs.json",
        generate_unique_id_function=_operation_id,
    )
    problems.install(app)
    openapi.describe(app)
    # /events/compare comes before /events/{slug}, which would take it for a slug.
    for routes in (
        routes_analytics,
        routes_mood,
        routes_events,
        routes_models,
        routes_state,
        routes_failsafe,
        metrics,
        front,
    ):
        app.include_router(routes.router)

    @app.get("/", include_in_schema=False)
    async def dashboard() -> FileResponse:
        return FileResponse(DASHBOARD / "index.html")

    @app.get("/favicon.ico", include_in_schema=False)
    async def favicon() -> FileResponse:
        return FileResponse(DASHBOARD / "favicon.svg", media_type="image/svg+xml")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/docs.json",
            title="Barometer API",
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/ui/favicon.svg",
        )

    app.mount("/docs/assets", StaticFiles(directory=SWAGGER), name="swagger")
    app.mount("/ui", StaticFiles(directory=DASHBOARD), name="ui")

    @app.api_route(
        "/{path:path}",
        methods=METHODS,
        include_in_schema=False,
    )
    async def unknown(request: Request) -> None:
        *known, _catch_all = app.routes
        allowed = [
            method
            for method in METHODS
            if any(r.matches({**request.scope, "method": method})[0] is Match.FULL for r in known)
        ]
        if allowed:
            names = ", ".join(allowed)
            raise HTTPException(405, f"takes {names}", {"Allow": names})
        raise HTTPException(404, "no such route; /docs lists them")

    return app


def attach(app: FastAPI, parts: Parts) -> None:
    """Give the application its guards, and what its routes work with."""
    _guard(app, parts.settings)
    app.state.parts = parts
    app.state.analyst = Analyst(parts, searchable(parts.settings))
    app.state.hot_words = HotWords(parts, app.state.analyst)
    app.state.hub = LiveHub(parts)


def _guard(app: FastAPI, settings: Settings) -> None:
    """Put the layers round the app that every request passes, the innermost first."""
    app.add_middleware(Deadline, seconds=settings.request_deadline_s)
    app.add_middleware(BodyLimit)
    if settings.rate_limit:
        app.add_middleware(RateLimit, rate=settings.rate_limit)
    if settings.api_keys:
        app.add_middleware(ApiKeys, keys=settings.api_keys)
    secrets = settings.webhook_secrets.get_secret_value()
    app.add_middleware(Webhooks, secrets=secrets, deadline_s=settings.request_deadline_s)
    app.add_middleware(Unforeseen)
    if settings.cors_origins:
        app.add_middleware(Cors, origins=settings.cors_origins)
    app.add_middleware(SecurityHeaders)


def _operation_id(route: APIRoute) -> str:
    return route.name
