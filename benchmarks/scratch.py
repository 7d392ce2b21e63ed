"""Barometer's processes on a state folder that is thrown away, whatever this machine is set to."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from barometer.database import database_url
from barometer.redis_server import redis_url
from barometer.settings import PREFIX, REPOSITORY, Settings
from barometer.tracking import tracking_uri
from serving.run import is_free

BAROMETER = [sys.executable, "-m", "barometer"]
KEPT = ("BAROMETER_LLM", "BAROMETER_THREADS", "BAROMETER_BACKEND")
"""What the names of settings begin with that the caller's environment may give."""


@contextmanager
def scratch_settings() -> Iterator[Settings]:
    """Settings of a new state folder and a free port; database, Redis and registry lie in it."""
    port = next(number for number in range(3900, 3999) if is_free(number))
    with tempfile.TemporaryDirectory(prefix="barometer-benchmark-") as folder:
        yield Settings(
            state_dir=Path(folder), port=port, news_search_url="off", database_url="",
            redis_url="", mlflow_tracking_uri="", artifact_root="", model_name="barometer",
        )  # fmt: skip


@contextmanager
def running(command: list[str], settings: Settings, **more: str) -> Iterator[psutil.Process]:
    """The command as a process with these settings and `more` of them, stopped at the end."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(PREFIX) or name.startswith(KEPT)
    }
    # Named, so that no .env file has a say in where they are.
    own = {
        "state_dir": str(settings.state),
        "port": str(settings.port),
        "news_search_url": settings.news_search_url,
        "database_url": database_url(settings),
        "redis_url": redis_url(settings),
        "mlflow_tracking_uri": tracking_uri(settings),
        "model_name": settings.model_name,
        **more,
    }
    process = subprocess.Popen(  # noqa: S603 - our own command lines
        command,
        cwd=REPOSITORY,
        env=env | {PREFIX + name.upper(): value for name, value in own.items()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
