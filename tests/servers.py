"""Real servers for the tests: an embedded Redis, and a PostgreSQL that is found or started."""

import getpass
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
from psycopg import sql

from barometer.redis_server import connect, redis_url, server_binary, server_command
from barometer.settings import Settings

NO_POSTGRES = "no PostgreSQL was found, and none could be started: install postgresql"


@contextmanager
def redis_server(state: Path, binary: str | None = None) -> Iterator[str]:
    """The embedded Redis, started as the product starts it, perhaps by another binary."""
    settings = Settings(state_dir=state)
    chosen, *options = server_command(settings)
    process = subprocess.Popen([binary or chosen, *options], stdout=subprocess.DEVNULL)
    url = redis_url(settings)
    try:
        _until(lambda: connect(url).ping(), "Redis")
        yield url
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def bare_redis(folder: Path, port: int, replica_of: str = "") -> Iterator[str]:
    """A Redis as it comes, on a TCP port: nothing is kept on disk; perhaps another's replica."""
    folder.mkdir(exist_ok=True)
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    if replica_of:
        options += ["--replicaof", *replica_of.split()]
    diskless = ["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"]
    process = subprocess.Popen([server_binary(), *options, *diskless], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}"
    try:
        _until(lambda: connect(url).ping(), "Redis")
        yield url
    finally:
        process.kill()
        process.wait(10)


@contextmanager
def postgres_database(scratch: Path) -> Iterator[str | None]:
    """The URL of a fresh database on a real PostgreSQL; None where there is none."""
    found = os.environ.get("TEST_POSTGRES_URL") or _running()
    if found:
        yield from _fresh_database(found)
        return
    with _own_server(scratch) as url:
        if url is None:
            yield None
        else:
            yield from _fresh_database(url)


def _running() -> str | None:
    user = getpass.getuser()
    for url in (f"postgresql://{user}@127.0.0.1:5432/postgres", "postgresql:///postgres"):
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            continue
        return url
    return None


def _fresh_database(server: str) -> Iterator[str]:
    name = f"barometer_test_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield server.rsplit("/", 1)[0] + f"/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(drop)


@contextmanager
def _own_server(scratch: Path) -> Iterator[str | None]:
    binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))  # noqa: PTH207
    initdb = shutil.which("initdb") or (binaries[-1] if binaries else None)
    if initdb is None or os.geteuid() == 0:  # PostgreSQL refuses to run as root
        yield None
        return
    data, port = scratch / "postgres", free_port()
    subprocess.run(
        [initdb, "-D", data, "-A", "trust", "-U", "test"], check=True, stdout=subprocess.DEVNULL
    )
    server = [str(Path(initdb).parent / "postgres"), "-D", data, "-p", str(port), "-k", data]
    process = subprocess.Popen([*server, "-h", "127.0.0.1"], stderr=subprocess.DEVNULL)
    url = f"postgresql://test@127.0.0.1:{port}/postgres"
    try:
        _until(lambda: psycopg.connect(url, connect_timeout=2).close(), "PostgreSQL")
        yield url
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def mlflow_server(state: Path, artifact_root: str) -> Iterator[str]:
    """A real MLflow server with a store of its own; its runs keep files in `artifact_root`."""
    state.mkdir()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    store = f"sqlite:///{state / 'mlflow.db'}"
    script = str(Path(sys.executable).parent / "mlflow")
    process = subprocess.Popen(
        [sys.executable, script, "server", "--backend-store-uri", store, "--host", "127.0.0.1",
         "--default-artifact-root", artifact_root, "--port", str(port), "--workers", "1"],
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        _until(lambda: httpx.get(f"{url}/health").raise_for_status(), "MLflow", 90)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _until(works: Callable[[], object], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            works()
        except Exception as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not start") from error
            time.sleep(0.05)
        else:
            return
