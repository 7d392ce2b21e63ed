"""A call that a client library makes, in a thread, and what goes wrong in it."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from barometer.errors import SourceError
from ingestion.calls.answer import AnswerError

T = TypeVar("T")


class HalfAnswerError(AnswerError):
    """A good answer had begun and cannot be used: the provider may have counted it."""


async def answered(call: Callable[[], T]) -> T:
    """What `call` to a library returns, made in a thread of its own.

    A caller that is cancelled leaves at once; the thread ends when the session's time is up.

    Raises:
        AnswerError: the call failed, or the library could not read the answer.
    """
    try:
        return await asyncio.to_thread(call)
    except SourceError:
        raise
    except Exception as error:  # of a strange answer the libraries raise whatever comes
        raise HalfAnswerError("sent an answer that cannot be read") from error


def is_passing(error: Exception) -> bool:
    """Whether another attempt of the call may do better."""
    return isinstance(error, AnswerError) and error.passing
