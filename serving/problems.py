"""Errors as RFC 9457 `application/problem+json`, in one place."""

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from barometer.errors import BarometerError, InputError, OverloadedError, UnavailableError
from serving.request_log import request_id
from serving.told import without_folders

log = structlog.get_logger()


def problem(
    status: int, title: str, detail: str, *, kind: str = "about:blank", field: str | None = None
) -> JSONResponse:
    """One problem document; `field` names the part of the request that is wrong.

    `request_id` is the one under which the log tells of it.
    """
    content: dict[str, Any] = {"type": kind, "title": title, "status": status, "detail": detail}
    if field is not None:
        content["field"] = field
    if (name := request_id()) is not None:
        content["request_id"] = name
    headers = {"Retry-After": "5"} if status == UnavailableError.status else None
    return JSONResponse(content, status, headers, media_type="application/problem+json")


def from_error(error: BarometerError) -> JSONResponse:
    """A Barometer error as its problem."""
    field = error.field if isinstance(error, InputError) else None
    detail = str(error) if error.status < 500 else without_folders(str(error))
    answer = problem(
        error.status, error.title, detail, kind=f"urn:barometer:{error.slug}", field=field
    )
    if isinstance(error, OverloadedError):
        answer.headers["Retry-After"] = str(error.retry_after_s)
    return answer


def install(app: FastAPI) -> None:
    """Answer every error that is foreseen with a problem; `Unforeseen` answers the others."""

    @app.exception_handler(BarometerError)
    async def _own(_: Request, error: BarometerError) -> JSONResponse:
        return from_error(error)

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where, *rest = [str(part) for part in first["loc"]]
        field = ".".join(rest) or where
        if first["type"] == "json_invalid":
            return from_error(InputError("body: is not valid JSON.", "body"))
        message = first["msg"].removeprefix("Value error, ")
        return from_error(InputError(f"{field}: {message}.".replace("..", "."), field))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400:  # FastAPI's word for a body that is not even text
            return from_error(InputError("body: is not valid JSON.", "body"))
        title = {404: "Not found", 405: "Method not allowed"}.get(error.status_code, "Error")
        detail = f"{request.method} {request.url.path}: {error.detail}."
        answer = problem(error.status_code, title, detail)
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RedisError)
    async def _redis(_: Request, error: RedisError) -> JSONResponse:
        log.warning("redis is away", reason=type(error).__name__)
        return from_error(UnavailableError("Redis is away for a moment: try again shortly."))

    @app.exception_handler(OperationalError)
    async def _database(_: Request, error: OperationalError) -> JSONResponse:
        log.warning("database is away", reason=type(error.orig).__name__)
        return from_error(UnavailableError("the database is away for a moment: try again shortly."))
