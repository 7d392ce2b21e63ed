"""Whose fault it is that a post could not be stored: its own, or that of what all posts need."""

from typing import Final

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from barometer.errors import ModelError, SettingsError
from inference.registry import LoadedModel
from serving.judge import judge

log = structlog.get_logger()
PLAIN: Final = "the night bus stays"
"""A text that every model can judge."""


def is_outage(error: Exception) -> bool:
    """Whether the database, or the key for names, is unusable as a whole, rather than one post."""
    if isinstance(error, SettingsError):
        return True
    if not isinstance(error, DBAPIError) or isinstance(error, DataError | IntegrityError):
        return False
    # Class 54 of PostgreSQL's codes, "program limit exceeded", comes as an operational error.
    return not (getattr(error.orig, "sqlstate", None) or "").startswith("54")


def reason_of(error: Exception) -> str:
    """Why a post was buried, in one line without the statement or the post's text."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return f"{type(error).__name__}: {str(cause).splitlines()[0] if str(cause) else cause!r}"


def try_model(model: LoadedModel) -> None:
    """Let a model judge a plain text: where it cannot, no post is at fault.

    Raises:
        ModelError: it cannot.
    """
    try:
        judge(model, [PLAIN])
    except Exception as error:
        reason = type(error).__name__
        log.error("the model judges no text any more", version=model.version, reason=reason)  # noqa: TRY400
        raise ModelError(f"model version {model.version} judges no text any more.") from error
