"""A running Barometer whose parts can be broken and given back."""

import asyncio
import contextlib
import resource
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine

from serving.faults import small_disk
from serving.faults.plan import Fault, Kind
from serving.faults.processes import Kept
from serving.faults.proxy import Proxy

NO_ROOM: Final = 4096
"""Bytes that a file of Redis may have where the disk itself cannot be filled."""


@dataclass(frozen=True)
class Machine:
    """The parts, and how the test itself reaches them: past the doors that it cuts."""

    url: str
    """The service's."""
    engine: Engine
    """The database."""
    env: Mapping[str, str]
    """For a command that reaches Redis and the database."""
    stream: Redis
    service: Kept
    workers: Sequence[Kept]
    redis: Kept
    redis_door: Proxy
    database: Kept | None
    """None: a SQLite file, which has no server to stop and no connection to cut."""
    database_door: Proxy | None
    disk: Path
    """Where Redis and the database keep their files."""

    @property
    def processes(self) -> list[Kept]:
        """All that are kept running."""
        servers = [self.redis, *([self.database] if self.database else [])]
        return [*servers, self.service, *self.workers]

    @property
    def doors(self) -> list[Proxy]:
        """All that can be cut."""
        return [self.redis_door, *([self.database_door] if self.database_door else [])]

    @property
    def disk_is_small(self) -> bool:
        """Whether it is a file system of its own, which can be filled."""
        return self.disk.is_mount()

    @property
    def kinds(self) -> list[Kind]:
        """What can be broken here."""
        missing = (Kind.DATABASE, Kind.DATABASE_CUT) if self.database is None else ()
        return [kind for kind in Kind if kind not in missing]

    async def suffer(self, fault: Fault) -> None:
        """Break a part, and give it back after the fault's time."""
        match fault.kind:
            case Kind.SERVICE:
                await self.service.strike(signal.SIGKILL)
            case Kind.REDIS:
                await self.redis.strike(signal.SIGKILL, fault.lasts_s)
            case Kind.DATABASE if self.database:
                await self.database.strike(signal.SIGQUIT, fault.lasts_s)  # "immediate" shutdown
            case Kind.REDIS_CUT:
                await self.redis_door.cut(fault.lasts_s, silent=fault.silent)
            case Kind.DATABASE_CUT if self.database_door:
                await self.database_door.cut(fault.lasts_s, silent=fault.silent)
            case Kind.DISK:
                await self._fill_disk(fault.lasts_s)
            case _:
                raise ValueError(f"{fault.kind} cannot be suffered here")

    async def _fill_disk(self, seconds: float) -> None:
        """Leave no room for so many seconds, and let Redis meet it.

        A small write may still fit into the last page of its file, so one is made that does not.
        """
        if self.disk_is_small:
            await asyncio.to_thread(small_disk.fill, self.disk)
        else:
            self.redis.limit_files(NO_ROOM)
        with contextlib.suppress(RedisError):
            await self.stream.set("faults:large", bytes(2 * NO_ROOM))
        await asyncio.sleep(seconds)
        if self.disk_is_small:
            small_disk.free(self.disk)
        else:
            self.redis.limit_files(resource.RLIM_INFINITY)
