"""A call that a client library makes, in a thread, and what goes wrong in it."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import stamina

from barometer.errors import SourceError
from ingestion.calls.answer import AnswerError, is_passing

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


def retrying(attempts: int, timeout_s: float) -> stamina.BoundAsyncRetryingCaller:
    """Makes a call again after what may pass, with pauses that suit its time-out."""
    return stamina.AsyncRetryingCaller(
        attempts=attempts, wait_initial=timeout_s / 20, wait_jitter=timeout_s / 20
    ).on(is_passing)
