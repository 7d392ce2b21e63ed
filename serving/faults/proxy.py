"""A TCP door before a server that can be cut: what is under way arrives in half, or not at all."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final, Self

PIECE: Final = 65_536
HALVING_S: Final = 0.2
"""Seconds for which a door that is being cut waits for bytes to halve."""

NO_LINGER: Final = struct.pack("ii", 1, 0)

Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """Passes connections on to a server until it is cut."""

    def __init__(self, dial: Callable[[], Awaitable[Pipe]]) -> None:
        """Connect each caller with what `dial` opens."""
        self._dial = dial
        self._state: str = "open"
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.resets = 0
        """Connections that were reset by cuts so far."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            _reset(writer)

    async def cut(self, seconds: float, *, silent: bool) -> None:
        """Let nothing pass for `seconds`.

        Args:
            seconds: how long.
            silent: swallow what is sent and reset the connections only at the end, as a network
                does that loses its way; else halve what is under way and reset at once.
        """
        if silent:
            self._state = "swallowing"
        else:
            self._state = "halving"
            await asyncio.sleep(HALVING_S)
            self._state = "shut"
            self._reset_all()
        await asyncio.sleep(seconds)
        self._reset_all()
        self._state = "open"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._state == "shut":
            _reset(writer)
            return
        try:
            far_reader, far_writer = await self._dial()
        except OSError:  # the server is down
            _reset(writer)
            return
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, far_writer))
                group.create_task(self._pass(far_reader, writer))
        except* OSError:
            pass  # one end is gone, and below the other one goes
        finally:
            self._writers -= ends
            for end in ends:
                _reset(end)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE):
            if self._state == "swallowing":
                continue
            if self._state == "halving":
                writer.write(piece[: len(piece) // 2])
                with contextlib.suppress(OSError):
                    await writer.drain()
                raise ConnectionResetError
            writer.write(piece)
            await writer.drain()
        raise ConnectionResetError  # no half-open connections: a closed end closes the other

    def _reset_all(self) -> None:
        self.resets += len(self._writers) // 2
        for writer in list(self._writers):
            _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection as a fault does: without an orderly close, so that TCP says "reset"."""
    end = writer.get_extra_info("socket")
    if end.fileno() >= 0 and end.family != socket.AF_UNIX:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    writer.transport.abort()
