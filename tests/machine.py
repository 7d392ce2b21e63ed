"""A whole Barometer as a person starts it: `barometer up` in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from barometer.settings import REPOSITORY
from tests.servers import free_port

T = TypeVar("T")


@dataclass
class Machine:
    """A running `barometer up`."""

    process: subprocess.Popen[bytes]
    state: Path
    http: httpx.Client
    prefect: str
    mlflow: str

    @property
    def url(self) -> str:
        return str(self.http.base_url)

    def get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def post(self, path: str, body: object) -> Any:
        return self.http.post(path, json=body).raise_for_status().json()

    def child(self, words: str) -> psutil.Process:
        """The supervised process whose command line holds `words`."""
        children = psutil.Process(self.process.pid).children()
        return next(c for c in children if words in " ".join(c.cmdline()))

    def output(self) -> str:
        return (self.state.parent / "up.log").read_text(errors="replace")


def eventually(check: Callable[[], T], what: str, seconds: float = 60) -> T:
    """The first truthy answer of `check`, asked again until then."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = check()
            reason: object = answer
        except Exception as error:  # noqa: BLE001 - whatever it is, it may pass
            answer, reason = None, error  # type: ignore[assignment]
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}; last: {reason!r}")
        time.sleep(0.2)


@contextmanager
def running_machine(folder: Path, **settings: str) -> Iterator[Machine]:
    """Start everything with embedded defaults, wait until it answers, and stop it at the end."""
    ports = [free_port() for _ in range(3)]
    names = ("BAROMETER_PORT", "BAROMETER_PREFECT_PORT", "BAROMETER_MLFLOW_PORT")
    env = {
        **os.environ,
        "BAROMETER_STATE_DIR": str(folder / "state"),
        "BAROMETER_NEWS_SEARCH_URL": "off",
        **dict(zip(names, map(str, ports), strict=True)),
        **settings,
    }
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "barometer", "up"],
            cwd=REPOSITORY, env=env, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    with httpx.Client(base_url=urls[0], timeout=30) as http:
        machine = Machine(process, folder / "state", http, urls[1], urls[2])
        try:
            eventually(lambda: http.get("/readyz").is_success, "the service is not ready", 240)
            eventually(lambda: machine.get("/events/all/posts")["posts"], "no post is stored", 240)
            yield machine
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(40)
