"""What goes wrong between client and service, as the errors that Barometer raises everywhere."""

from collections.abc import Mapping
from typing import Final

import httpx
from pydantic import ValidationError

from barometer.client.contract import Problem
from barometer.errors import BarometerError, InputError, UnavailableError

LONGEST_WAIT_S: Final = 30.0
"""A service that asks for a longer wait is not waited for."""
KIND: Final = "urn:barometer:"
AGAIN: Final = frozenset({429, 503})
"""Statuses of requests that were not worked on and may simply be sent again."""


class Refused(Exception):  # noqa: N818 - never leaves the client
    """An answer that is no success, on its way to being tried again or told."""

    def __init__(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.content = content


def checked(response: httpx.Response) -> bytes:
    """The content of a success.

    Raises:
        Refused: it is none.
    """
    if not response.is_success:
        raise Refused(response.status_code, response.headers, response.content)
    return response.content


def wait_before_again(error: Exception) -> bool | float:
    """Whether to send again, and after how many seconds where the service says so."""
    if isinstance(error, httpx.ConnectError):  # nothing was sent
        return True
    if not isinstance(error, Refused) or error.status not in AGAIN:
        return False
    try:
        wait = float(error.headers.get("retry-after", ""))
    except ValueError:
        return True
    return wait if wait <= LONGEST_WAIT_S else False


def told(error: Exception, url: str) -> BarometerError:
    """The error that the caller is told, as the service raised it where it did."""
    if isinstance(error, Refused):
        return _as_raised(error, url)
    if isinstance(error, ValidationError):
        return UnavailableError(f"{url} does not answer as Barometer does: check the address.")
    reason = str(error) or type(error).__name__
    return UnavailableError(f"{url} cannot be reached ({reason}): check that the service runs.")


def _as_raised(refused: Refused, url: str) -> BarometerError:
    try:
        problem = Problem.model_validate_json(refused.content)
    except ValidationError:
        kind = UnavailableError if refused.status >= 502 else BarometerError
        return kind(f"{url} answered {refused.status}, not as Barometer does: check the address.")
    kinds = list(_tree(BarometerError))
    named = (k for k in kinds if problem.type == KIND + k.title.lower().replace(" ", "-"))
    alike = (k for k in kinds if k.status == problem.status != BarometerError.status)
    error = next(named, None) or next(alike, BarometerError)
    if issubclass(error, InputError):
        return error(problem.detail, problem.field)
    return error(problem.detail)


def _tree(kind: type[BarometerError]) -> list[type[BarometerError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _tree(child))]
