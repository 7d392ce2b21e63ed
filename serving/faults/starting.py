"""Start a Barometer of its own for a fault test: servers, doors before them, service, workers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import httpx
from redis.asyncio import Redis
from sqlalchemy import Engine, text

from barometer.database import engine_for
from barometer.errors import UnavailableError
from serving.faults.breaking import Machine
from serving.faults.plan import EVENT, POISON
from serving.faults.processes import BARE, TETHER, Kept, clean_environment
from serving.faults.proxy import Proxy
from serving.faults.servers import USER, Server, postgres_server, redis_server

READY_S: Final = 120.0
REDIS_S: Final = 2.0
"""Seconds that Redis may take to answer the test itself, which asks again."""
DISK: Final = "disk"
"""The folder, within the test's own, that is or stands for a small disk."""


@asynccontextmanager
async def started(folder: Path, workers: int) -> AsyncIterator[Machine]:
    """Everything runs and is ready; at the end it is stopped.

    Raises:
        UnavailableError: a part does not become ready.
    """
    disk = folder / DISK
    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(asyncio.TaskGroup())
        run = partial(_run_server, stack, group, folder)
        cache, postgres = redis_server(disk), postgres_server(disk)
        redis, redis_door = await run(cache)
        database, database_door = await run(postgres) if postgres else (None, None)
        file = f"sqlite:///{disk / 'barometer.db'}"
        direct = postgres.url if postgres else file
        port = _free_port()
        shared = {
            "state_dir": folder / "state",
            "port": port,
            "news_search_url": "off",
            "threads": 1,
        }
        env = clean_environment(
            **shared,
            redis_url=f"redis://127.0.0.1:{redis_door.port}",
            database_url=(
                f"postgresql://{USER}@127.0.0.1:{database_door.port}/postgres"
                if database_door
                else file
            ),
        )
        service = Kept("service", [*TETHER, *BARE, "serve"], env, folder)
        await stack.enter_async_context(service.running(group))
        await _until(partial(_track, f"http://127.0.0.1:{port}"), service)
        engine = engine_for(direct)
        await asyncio.to_thread(_refuse_poison, engine)
        names = [f"worker-{number}" for number in range(1, workers + 1)]
        scorers = [
            Kept(name, [*TETHER, *BARE, "work", "--name", name], env, folder) for name in names
        ]
        for scorer in scorers:
            await stack.enter_async_context(scorer.running(group))
        stream = await stack.enter_async_context(Redis.from_url(cache.url, socket_timeout=REDIS_S))
        yield Machine(
            url=f"http://127.0.0.1:{port}",
            engine=engine,
            env=clean_environment(**shared, redis_url=cache.url, database_url=direct),
            stream=stream,
            service=service,
            workers=scorers,
            redis=redis,
            redis_door=redis_door,
            database=database,
            database_door=database_door,
            disk=disk,
        )


async def _run_server(
    stack: AsyncExitStack, group: asyncio.TaskGroup, folder: Path, server: Server
) -> tuple[Kept, Proxy]:
    """Keep a server running, with a door before its socket."""
    kept = Kept(server.name, server.command, clean_environment(), folder, server.stop_signal)
    await stack.enter_async_context(kept.running(group))
    dial = partial(asyncio.open_unix_connection, server.socket)

    async def answers() -> None:
        _, writer = await dial()
        writer.close()

    await _until(answers, kept)
    return kept, await stack.enter_async_context(Proxy(dial))


async def _track(url: str) -> None:
    """Track the event, once the service is ready."""
    async with httpx.AsyncClient(base_url=url, timeout=10) as http:
        (await http.get("/readyz")).raise_for_status()
        told = {"title": EVENT, "keywords": [EVENT], "sources": []}
        (await http.post("/events", json=told)).raise_for_status()


async def _until(works: Callable[[], Awaitable[None]], part: Kept) -> None:
    deadline = asyncio.get_running_loop().time() + READY_S
    while True:
        try:
            return await works()
        except (OSError, httpx.HTTPError) as error:
            if asyncio.get_running_loop().time() > deadline:
                raise UnavailableError(
                    f"{part.name} did not start for the fault test within {READY_S:g} s: see "
                    f"{part.log}."
                ) from error
            await asyncio.sleep(0.1)


def _refuse_poison(engine: Engine) -> None:
    """Let the database refuse ids that begin with `POISON`: such posts must become dead letters."""
    sqlite = (
        f"CREATE TRIGGER poison BEFORE INSERT ON posts WHEN new.external_id LIKE '{POISON}%' "
        "BEGIN SELECT RAISE(ABORT, 'poison'); END"
    )
    postgresql = f"ALTER TABLE posts ADD CHECK (external_id NOT LIKE '{POISON}%')"
    with engine.begin() as connection:
        connection.execute(text(sqlite if engine.dialect.name == "sqlite" else postgresql))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
