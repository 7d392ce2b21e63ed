"""Several streams read at the same time: what each brings as it comes, its fault as its end."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import TypeVar

from ingestion.calls.answer import AnswerError

Item = TypeVar("Item")


async def side_by_side(
    streams: Mapping[str, AsyncGenerator[Item, None]],
) -> AsyncGenerator[tuple[str, Item | AnswerError], None]:
    """Yield (name, item) of all `streams`; a slow one holds no other up, a fault ends only its own.

    A stream is asked for its next item when the caller has come back for more after the last.
    """
    upcoming = {asyncio.ensure_future(anext(stream)): name for name, stream in streams.items()}
    try:
        while upcoming:
            done, _ = await asyncio.wait(upcoming, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                name = upcoming.pop(future)
                try:
                    item = future.result()
                except StopAsyncIteration:
                    continue
                except AnswerError as fault:
                    yield name, fault
                    continue
                yield name, item
                upcoming[asyncio.ensure_future(anext(streams[name]))] = name
    finally:
        for future in upcoming:
            future.cancel()
        await asyncio.gather(*upcoming, return_exceptions=True)
        for stream in streams.values():
            await stream.aclose()
