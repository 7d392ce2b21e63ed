"""A process that is kept running, as a supervisor keeps it, and that can be struck down."""

import asyncio
import contextlib
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from barometer.settings import PREFIX, REPOSITORY

AGAIN_S: Final = 0.3
"""Seconds between a process's end and its next start."""
GRACE_S: Final = 20.0
"""Seconds that it may take to stop at the end."""
BARE: Final = (sys.executable, "-m", "barometer")
TETHER: Final = (sys.executable, "-m", "serving.tether")


@dataclass
class Kept:
    """One command that is started again whenever it ends."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    folder: Path
    """Where it runs and writes its log."""
    stop_signal: int = signal.SIGTERM
    own_ends: list[int] = field(default_factory=list)
    """Exit codes of the times that it ended without being struck."""
    _process: asyncio.subprocess.Process | None = None
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _struck: bool = False
    _largest_file: int | None = None

    @asynccontextmanager
    async def running(self, group: asyncio.TaskGroup) -> AsyncIterator["Kept"]:
        """Kept running by a task of `group` for as long as the block lasts."""
        self._wanted.set()
        keeper = group.create_task(self._keep())
        try:
            yield self
        finally:
            keeper.cancel()
            await asyncio.wait({keeper})
            await self._end()

    @property
    def log(self) -> Path:
        """What it has said."""
        return self.folder / f"{self.name}.log"

    async def strike(self, number: int, away_s: float = 0.0) -> None:
        """Send it a signal that ends it, and keep it away for so many seconds."""
        self._wanted.clear()
        process = self._process
        try:
            if process is not None and process.returncode is None:
                self._struck = True
                process.send_signal(number)
                await process.wait()
            await asyncio.sleep(away_s)
        finally:
            self._wanted.set()

    def limit_files(self, largest: int) -> None:
        """Let none of its files grow past so many bytes, now and in its next starts.

        A write past it fails with EFBIG, where the process ignores the signal that would end it:
        Python lets its children, of which the tether is one, begin so.
        """
        self._largest_file = largest
        self._apply_limit()

    def _apply_limit(self) -> None:
        if self._process is None or self._largest_file is None:
            return
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            bounds = (self._largest_file, resource.RLIM_INFINITY)
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, bounds)

    async def _keep(self) -> None:
        with self.log.open("ab") as log:
            while True:
                await self._wanted.wait()
                self._process = await asyncio.create_subprocess_exec(
                    *self.command, cwd=self.folder, env=self.env, stdout=log, stderr=log
                )
                self._apply_limit()
                code = await self._process.wait()
                if not self._struck:
                    self.own_ends.append(code)
                self._struck = False
                await asyncio.sleep(AGAIN_S)

    async def _end(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(self.stop_signal)
        try:
            await asyncio.wait_for(self._process.wait(), GRACE_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def clean_environment(**given: object) -> dict[str, str]:
    """This process's environment without its settings, with `given` ones instead."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {
        **inherited,
        "PYTHONPATH": str(REPOSITORY),  # it runs in a folder of its own, without a `.env`
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        **{f"{PREFIX}{name.upper()}": str(value) for name, value in given.items()},
    }
