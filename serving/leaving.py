"""Work whose caller has left is called off."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from barometer.errors import LeftError

T = TypeVar("T")


async def unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; the server itself lets a handler run on when its caller leaves.

    Raises:
        LeftError: the caller left before there was one.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise LeftError("the caller left before the answer was there.")
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    """Wait for the end of the connection; the request's body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
