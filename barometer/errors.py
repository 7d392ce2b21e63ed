"""Every error that Barometer raises on purpose, in one tree.

Each class carries its HTTP status and its exit code, so that the service's problem+json and the
command line's last line are derived from the same place. The message is one sentence that names
the field or setting and the remedy.
"""

from datetime import datetime
from typing import ClassVar


class BarometerError(Exception):
    """Anything Barometer can explain; the base of the tree."""

    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    title: ClassVar[str] = "Internal error"

    @property
    def slug(self) -> str:
        """The error's stable name, used as the problem's `type`."""
        return self.title.lower().replace(" ", "-")


class SettingsError(BarometerError):
    """A setting is unknown, missing or unusable."""

    exit_code = 78  # EX_CONFIG of sysexits.h
    title = "Bad setting"


class InputError(BarometerError):
    """A caller's value cannot be used; `field` says which."""

    status = 422
    exit_code = 64  # EX_USAGE
    title = "Invalid input"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class TooLargeError(InputError):
    """A body, a text or a list is over its bound."""

    status = 413
    title = "Too large"


class UnauthorizedError(BarometerError):
    """The request carries no API key, or none that is known."""

    status = 401
    exit_code = 77  # EX_NOPERM
    title = "Unauthorized"


class ForbiddenError(BarometerError):
    """The API key lacks the scope that the route needs."""

    status = 403
    exit_code = 77
    title = "Forbidden"


class RateLimitError(BarometerError):
    """The API key, or the address, has used up its requests for now."""

    status = 429
    exit_code = 75  # EX_TEMPFAIL
    title = "Too many requests"


class NotFoundError(BarometerError):
    """What the caller named does not exist."""

    status = 404
    exit_code = 66  # EX_NOINPUT
    title = "Not found"


class ConflictError(BarometerError):
    """What the caller wants to create is there already."""

    status = 409
    exit_code = 73  # EX_CANTCREAT
    title = "Already exists"


class DataError(BarometerError):
    """Labelled rows or a replay file cannot be used."""

    status = 422
    exit_code = 65  # EX_DATAERR
    title = "Unusable data"


class ModelError(BarometerError):
    """A model folder, checkpoint or export is incomplete or wrong."""

    exit_code = 65
    title = "Unusable model"


class RefusedError(BarometerError):
    """The gate found a challenger worse, or not better; the champion stays."""

    status = 409
    exit_code = 77  # EX_NOPERM
    title = "Release refused"


class SourceError(BarometerError):
    """An outside source answered with a fault, or lacks a setting.

    `until`: when it may be asked again, if it, or what is left of its allowance, says so.
    """

    status = 502
    exit_code = 69  # EX_UNAVAILABLE
    title = "Source failed"

    def __init__(self, message: str, *, until: datetime | None = None) -> None:
        super().__init__(message)
        self.until = until


class UnavailableError(BarometerError):
    """A part that is needed (Redis, database, registry, hub) cannot be reached."""

    status = 503
    exit_code = 69
    title = "Unavailable"


class BrokerError(UnavailableError):
    """The stream is away, or takes nothing now: wait and repeat the call, which harms nothing."""

    title = "Stream away"


class OverloadedError(BarometerError):
    """More is waiting than the queue holds; `retry_after_s` says when to come again."""

    status = 429
    exit_code = 75  # EX_TEMPFAIL
    title = "Overloaded"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineError(BarometerError):
    """The answer was not there in the time that a request may take."""

    status = 504
    exit_code = 75
    title = "Deadline passed"


class LeftError(BarometerError):
    """The caller closed the connection; nobody reads this answer."""

    status = 499  # nginx's number for it; RFC 9110 has none
    title = "Caller left"


class StorageError(BarometerError):
    """A file cannot be written: the disk is full, or the folder belongs to somebody else."""

    status = 507
    exit_code = 74  # EX_IOERR
    title = "Cannot write"


class LossError(BarometerError):
    """A fault test found an accepted post lost, doubled or counted wrong."""

    title = "Posts lost or doubled"
