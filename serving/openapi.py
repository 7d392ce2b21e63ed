"""The API's description: what each route answers, which problems, and which key it needs."""

import re
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from barometer.client.contract import Problem
from barometer.webhooks import BODY_SIGNATURE_HEADER, NAME_HEADER, SIGNATURE_HEADER
from serving.access import needed_scope
from serving.webhooks import SIGNED_ROUTE

ABOUT: Final = """Measures public mood around events while they happen.

Errors are `application/problem+json` (RFC 9457); `field` names what is wrong. Where the service has
API keys, each route but the open ones needs one with the scope that it names.

`WS /live` sends JSON messages as things happen: `{"type": "scored", "post": {…}}` for each post,
`{"type": "metrics", "posts_per_minute", "backlog", …}` every two seconds. A key comes in the
headers; a page offers the subprotocols `barometer` and `barometer.key.KEY` instead."""
TAGS: Final = [
    {"name": "mood", "description": "Classify texts, and ask for the mood of a keyword."},
    {"name": "events", "description": "What is followed, and what people say about it."},
    {"name": "analytics", "description": "Events side by side, the whole system, one answer."},
    {"name": "models", "description": "What is registered, how it fares, and what replaces it."},
    {"name": "system", "description": "The parts, their health, and the models' drift."},
]
SCHEMES: Final[dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same."},
    "webhook": {
        "type": "apiKey",
        "in": "header",
        "name": NAME_HEADER,
        "description": "A webhook's name, beside the signature.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": SIGNATURE_HEADER,
        "description": "`t=UNIX TIME,v1=HEX`: HMAC-SHA256 of the time, a dot and the body, with "
        f"the webhook's secret; or `{BODY_SIGNATURE_HEADER}: sha256=HEX` of the body alone.",
    },
}
REASONS: Final = {
    401: "The API key is missing or not known.",
    403: "The API key lacks the scope.",
    404: "What the request names is not there.",
    409: "It is there already.",
    413: "The body is too large.",
    422: "A value cannot be used; `field` names it.",
    429: "Too many requests; `Retry-After` says how many seconds to wait.",
    500: "Barometer failed on this request; it was logged.",
    503: "A part is away for a moment; `Retry-After` says how many seconds to wait.",
    504: "It took too long.",
}
HEADERS: Final = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    429: {"Retry-After": {"schema": {"type": "string"}, "description": "seconds"}},
    503: {"Retry-After": {"schema": {"type": "string"}, "description": "seconds"}},
}

Responses = dict[int | str, dict[str, Any]]
"""Responses by status, as FastAPI's routes take them."""


def answer(model: type[BaseModel], about: str, *problems: int, status: int = 200) -> Responses:
    """What a route answers: a documented shape, and the problems that are its own.

    The shape is not enforced on the way out, which would cost each request a validation: the tests
    hold every route to it.
    """
    said: Responses = {status: {"model": model, "description": about}}
    return said | {each: _problem(each) for each in problems}


def text_answer(about: str, *problems: int, kind: str = "text/plain") -> Responses:
    """What a route answers that is no JSON."""
    content = {kind: {"schema": {"type": "string"}}}
    said: Responses = {200: {"description": about, "content": content}}
    return said | {each: _problem(each) for each in problems}


def describe(app: FastAPI) -> None:
    """Give `app` its OpenAPI document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=ABOUT, routes=app.routes, tags=TAGS
    )
    components = document["components"]
    for of_fastapi in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(of_fastapi, None)
    components["schemas"]["Problem"] = Problem.model_json_schema()
    components["securitySchemes"] = SCHEMES
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, method.upper(), path)
    return document


def _complete(operation: dict[str, Any], method: str, path: str) -> None:
    """Add its summary, the key that it needs, and the problems that follow from its shape."""
    about = operation.get("description", "").partition("\n\n")[0]
    operation["summary"] = re.split(r"[.:;] ", about)[0].rstrip(".")
    responses = operation["responses"]
    responses.pop("422", None)  # FastAPI's own shape, which is not what is answered
    for response in responses.values():
        for content in response.get("content", {}).values():
            # Beside a documented shape FastAPI leaves what it makes of the function's annotation.
            if "$ref" in content["schema"]:
                content["schema"] = {"$ref": content["schema"]["$ref"]}
    statuses = {500, 503, 504}
    scope = needed_scope(method, path)
    if scope is None:
        operation["security"] = []
    else:
        # An empty requirement: without keys in the settings, none is needed.
        operation["security"] = [{"bearer": []}, {"header": []}, {}]
        operation["x-scope"] = scope
        if (method, path) == SIGNED_ROUTE:
            operation["security"].insert(-1, {"webhook": [], "signature": []})
        told = f"Needs a key with the scope `{scope}`, where the service has keys."
        operation["description"] = f"{operation.get('description', '')}\n\n{told}".strip()
        statuses |= {401, 403, 429}
    if "requestBody" in operation:
        statuses |= {413, 422}
    if operation.get("parameters"):
        statuses |= {422}
    if "{" in path:
        statuses |= {404}
    for status in statuses:
        responses.setdefault(str(status), _problem(status))
    operation["responses"] = dict(sorted(responses.items()))


def _problem(status: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    response: dict[str, Any] = {"description": REASONS[status], "content": content}
    if status in HEADERS:
        response["headers"] = HEADERS[status]
    return response
