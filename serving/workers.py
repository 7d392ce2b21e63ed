"""`barometer work --workers N`: scorers in processes of their own that are kept running."""

import os
import sys

from barometer.brokers import answering_broker
from barometer.database import database_url, migrate
from barometer.settings import PREFIX, Settings
from serving.supervise import Process, supervise

BROKER_WAIT_S = 30.0


def run_workers(settings: Settings, count: int, asked_name: str) -> None:
    """Keep `count` worker processes running until SIGINT or SIGTERM; one that dies is restarted.

    Raises:
        UnavailableError: the stream or the database does not answer.
    """
    answering_broker(settings, BROKER_WAIT_S).close()
    migrate(database_url(settings))
    supervise(worker_processes(settings, count, asked_name), settings.state / "logs")


def worker_processes(
    settings: Settings, count: int, asked_name: str = "", cores: int = os.cpu_count() or 2
) -> list[Process]:
    """Commands of `count` workers that share `cores` between them.

    Each has a name of its own, and where metrics are shown, the next port.
    """
    listed = []
    for number in range(1, count + 1):
        env = {}
        if count > 1 and not settings.threads:
            env[f"{PREFIX}THREADS"] = str(max(1, cores // count))
        if settings.work_metrics_port:
            env[f"{PREFIX}WORK_METRICS_PORT"] = str(settings.work_metrics_port + number - 1)
        name = ["--name", f"{asked_name}-{number}"] if asked_name else []
        command = [sys.executable, "-m", "barometer", "work", *name]
        label = f"scorer-{number}" if count > 1 else "scorer"
        listed.append(Process(label, command, env, grace_s=settings.shutdown_s))
    return listed
