"""The service alone, in a process of its own, as `barometer serve` starts it."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from barometer.redis_server import redis_url
from barometer.settings import REPOSITORY, Settings
from serving.run import bento_command, bento_environment
from tests.machine import eventually


@dataclass
class Service:
    """A running service, and what it has written."""

    process: subprocess.Popen[bytes]
    http: httpx.Client
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """Its log, every line of which is JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> int:
        """End it as a supervisor does; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def running_service(settings: Settings, **env: str) -> Iterator[Service]:
    """Start it on the settings' state folder and port, wait until it is ready, stop it."""
    log = settings.state / "service.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            bento_command(), cwd=REPOSITORY, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, "BAROMETER_STATE_DIR": str(settings.state),
                 "BAROMETER_NEWS_SEARCH_URL": "off", "BAROMETER_REDIS_URL": redis_url(settings),
                 **bento_environment(settings), **env},
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", timeout=60) as http:
            eventually(lambda: http.get("/readyz").is_success, "the service is not ready", 90)
            yield Service(process, http, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
