"""Lets signed calls in: forms and ticket systems that prove themselves by a secret, not a key."""

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barometer.errors import ForbiddenError, SettingsError, UnauthorizedError
from barometer.webhooks import SignedCall, parse_secrets
from ingestion.catalog import KINDS
from serving.access import HOLDER, WrongGuesses
from serving.guards import BodyLimit, Deadline
from serving.problems import from_error

WEBHOOK: Final = "barometer.webhook"
"""Where the scope names the webhook whose signature was right."""
SIGNED_ROUTE: Final = ("POST", "/ingest")
"""All that a webhook may do."""
CALL: Final = "barometer.signed_call"
TAKEN: Final = ("http", "replay", *(kind.name for kind in KINDS))
"""Sources whose name a webhook would take."""


class Webhooks:
    """Answers 401 to a signed request whose signature is wrong, and passes on the others.

    It stands before the API keys: a right signature needs none. An address that sends too many
    wrong ones gets 429.
    """

    def __init__(self, app: ASGIApp, secrets: str, deadline_s: float) -> None:
        """`secrets` is the setting's; the body must come within `deadline_s`.

        Raises:
            SettingsError: a webhook has the name of another source.
        """
        self._app = app
        self._secrets = parse_secrets(secrets)
        self._wrong = WrongGuesses("signatures")
        # The body is read here, within the bounds that hold for every request.
        self._signed = Deadline(BodyLimit(self._check), deadline_s)
        taken = sorted(self._secrets.keys() & set(TAKEN))
        if taken:
            raise SettingsError(
                f"BAROMETER_WEBHOOK_SECRETS cannot be used: {taken[0]!r} is a source of "
                "Barometer's own; choose another name."
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless it is signed and the signature is wrong."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            call = SignedCall.from_headers(Headers(scope=scope))
        except UnauthorizedError as error:
            await self._refuse(error, scope, receive, send)
            return
        if call is None:
            await self._app(scope, receive, send)
        elif (scope["method"], scope["path"]) != SIGNED_ROUTE:
            refusal = ForbiddenError("a webhook may only send posts: POST /ingest.")
            await from_error(refusal)(scope, receive, send)
        else:
            await self._signed({**scope, CALL: call}, receive, send)

    async def _check(self, scope: Scope, receive: Receive, send: Send) -> None:
        call: SignedCall = scope[CALL]
        body = await _whole_body(receive)
        if body is None:
            return
        try:
            call.check(self._secrets, body)
        except UnauthorizedError as error:
            await self._refuse(error, scope, receive, send)
            return
        let_in = {**scope, WEBHOOK: call.name, HOLDER: f"webhook {call.name}"}
        await self._app(let_in, _again(body, receive), send)

    async def _refuse(
        self, error: UnauthorizedError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        answer = self._wrong.refusal(scope) or from_error(error)
        answer.headers.setdefault("WWW-Authenticate", 'Bearer realm="Barometer"')
        await answer(scope, receive, send)


async def _whole_body(receive: Receive) -> bytes | None:
    """The body, or None when the caller left."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read, then what else comes."""
    given = False

    async def first_the_body() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return first_the_body
