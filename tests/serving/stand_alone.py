"""The HTTP service alone, as `barometer serve` starts it: own SQLite, own Redis, no news."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from redis import Redis

from barometer.redis_server import connect
from barometer.settings import REPOSITORY, Settings
from tests.machine import eventually
from tests.servers import free_port, redis_server


@dataclass
class Service:
    """A running `barometer serve`."""

    settings: Settings
    http: httpx.Client
    redis: Redis
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"


@contextmanager
def running_service(folder: Path, **settings: str) -> Iterator[Service]:
    """Start it with these further settings, wait until it is ready, and stop it at the end."""
    known = Settings(state_dir=folder / "state", port=free_port(), news_search_url="off")
    env = {
        **os.environ,
        "BAROMETER_STATE_DIR": str(known.state),
        "BAROMETER_PORT": str(known.port),
        "BAROMETER_NEWS_SEARCH_URL": "off",
        "MPLCONFIGDIR": str(folder.parent / "matplotlib"),  # its font cache takes seconds to build
        **settings,
    }
    log = folder / "serve.log"
    with redis_server(known.state_dir) as redis_url, log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "barometer", "serve"],
            cwd=REPOSITORY, env=env, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{known.port}", timeout=60) as http:
                eventually(lambda: http.get("/readyz").is_success, "the service is not ready", 300)
                yield Service(known, http, connect(redis_url), log)
        finally:
            process.terminate()
            process.wait(30)
