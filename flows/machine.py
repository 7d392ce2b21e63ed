"""`barometer up`: everything on this machine, from an empty folder to a live stream."""

import asyncio
import contextlib
import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx
from pydantic import SecretStr

from barometer.console import print_line, print_table
from barometer.database import database_url, engine_for, migrate
from barometer.errors import SettingsError, SourceError
from barometer.events import new_event, track, tracked
from barometer.redis_server import redis_url, server_command
from barometer.settings import PREFIX, Settings
from barometer.tracking import artifact_root, tracking_uri
from flows.interrupt import keep_interrupts
from ingestion.catalog import KINDS
from ingestion.command import recording, track_recorded
from ingestion.feeds.rss import RssSource
from serving.parts import STARTER
from serving.run import bento_command, bento_environment, is_free
from serving.supervise import Process, lock, supervise
from serving.workers import worker_processes
from training.register import ensure_champion

LOOPBACK = "127.0.0.1"
READY_S = 120.0
CLOSING_S = 5
"""Seconds that the service may take beyond those for its last requests."""
DEFAULT_TOPIC = "artificial intelligence"


def start_machine(settings: Settings, *, replay: bool, topic: str | None) -> None:
    """Prepare the database, the registry and the events, then supervise every process.

    `topic` is tracked in the news; None: a default one, where the news can be reached.

    Raises:
        ConflictError: another `up` holds the state folder.
        SettingsError: a port that was asked for is taken.
    """
    keep_interrupts()
    held = lock(settings.state)
    settings = with_free_ports(settings)
    migrate(database_url(settings))
    if replay:
        told = recording(settings)
        events = track_recorded(settings)
        print_line(f"replaying {len(told.lines):,} posts about {len(events)} events")
    _track_topic(settings, topic)
    version = ensure_champion(settings, STARTER)
    names = [process.name for process in processes(settings, replay=replay)]
    print_table(
        "Barometer is starting",
        ("what", "where"),
        [
            ("dashboard", f"http://{LOOPBACK}:{settings.port}"),
            ("API", f"http://{LOOPBACK}:{settings.port}/docs"),
            *settings.ui_links.items(),
            ("model", f"{settings.model_name} version {version}, champion"),
            ("processes", ", ".join(names)),
            ("logs", str(settings.state / "logs")),
        ],
    )
    print_line("Ctrl-C stops all of it.")
    threading.Thread(target=_say_when_ready, args=(settings,), daemon=True).start()
    supervise(processes(settings, replay=replay), settings.state / "logs")
    held.close()
    print_line("Barometer has stopped.")


def processes(settings: Settings, *, replay: bool) -> list[Process]:
    """What runs on one machine; an embedded Redis only where no other is set."""
    barometer = [sys.executable, "-m", "barometer"]
    shared = environment(settings)
    listed = [
        Process(
            "service",
            bento_command(),
            {**shared, **bento_environment(settings)},
            quiet=True,
            grace_s=settings.shutdown_s + CLOSING_S,
        ),
        *_scorers(settings, shared),
        Process("prefect", _prefect_command(settings), shared, quiet=True),
        Process("flows", [sys.executable, "-m", "flows.deploy"], shared, quiet=True),
    ]
    if not settings.mlflow_is_remote:
        # In the environment, not on the command line: a database's URI may hold its password.
        store = {"MLFLOW_BACKEND_STORE_URI": tracking_uri(settings)}
        listed.append(Process("mlflow", _mlflow_command(settings), {**shared, **store}, quiet=True))
    if any(kind.live and not kind.missing(settings) for kind in KINDS):
        listed.append(Process("follow", [*barometer, "ingest", "--follow"], shared))
    if replay:
        listed.append(Process("replay", [*barometer, "ingest", "--source", "replay"], shared))
    if not settings.redis_url:
        listed.insert(0, Process("redis", server_command(settings), quiet=True))
    return listed


def _scorers(settings: Settings, shared: dict[str, str]) -> list[Process]:
    half = (os.cpu_count() or 2) // 2  # the service has the other
    scorers = worker_processes(settings, settings.workers, cores=half)
    return [replace(scorer, env={**shared, **scorer.env}) for scorer in scorers]


def environment(settings: Settings) -> dict[str, str]:
    """What every child is told: the settings of this process, and to phone nobody."""
    given: dict[str, object] = {
        **{
            f"{PREFIX}{name.upper()}": _plain(value)
            for name, value in settings
            if name in settings.model_fields_set
        },
        "BAROMETER_STATE_DIR": settings.state,
        "BAROMETER_PORT": settings.port,
        "BAROMETER_PREFECT_PORT": settings.prefect_port,
        "BAROMETER_MLFLOW_PORT": settings.mlflow_port,
        "BAROMETER_DATABASE_URL": database_url(settings),
        "BAROMETER_REDIS_URL": redis_url(settings),
        "PREFECT_HOME": settings.state / "prefect",
        "PREFECT_API_URL": f"http://{LOOPBACK}:{settings.prefect_port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "DO_NOT_TRACK": "1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return {name: str(value) for name, value in given.items()}


def _plain(value: object) -> object:
    """A setting's value as the environment holds it: secrets themselves, not their mask."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return " ".join(value) if isinstance(value, tuple) else value


def with_free_ports(settings: Settings) -> Settings:
    """The settings with ports that are free: a default one moves on, one that was set does not.

    Raises:
        SettingsError: a port that was set is taken; names it.
    """
    chosen: dict[str, int] = {}
    for name in ("port", "prefect_port", "mlflow_port"):
        port: int = getattr(settings, name)
        if name in settings.model_fields_set and not is_free(port):
            raise SettingsError(
                f"BAROMETER_{name.upper()}={port} is taken by another program: choose another port."
            )
        while not is_free(port) or port in chosen.values():
            port += 1
        chosen[name] = port
    return settings.model_copy(update=chosen)


def _say_when_ready(settings: Settings) -> None:
    address = f"http://{LOOPBACK}:{settings.port}"
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{address}/readyz", timeout=2).is_success:
                print_line(f"Barometer is ready: open {address}")
                return
        time.sleep(0.3)


def _mlflow_command(settings: Settings) -> list[str]:
    script = str(Path(sys.executable).parent / "mlflow")
    return [
        sys.executable, script, "server",
        "--default-artifact-root", artifact_root(settings),
        "--host", LOOPBACK, "--port", str(settings.mlflow_port), "--workers", "1",
    ]  # fmt: skip


def _prefect_command(settings: Settings) -> list[str]:
    port = str(settings.prefect_port)
    return [sys.executable, "-m", "prefect", "server", "start", "--host", LOOPBACK, "--port", port]


def _track_topic(settings: Settings, topic: str | None) -> None:
    """Track what was asked for in any case, the default topic only where there is news of it."""
    if topic == "" or (topic is None and settings.news_search_url == "off"):
        return
    engine = engine_for(database_url(settings))
    event = new_event(topic or DEFAULT_TOPIC, sources=("rss",))
    if event.slug in {known.slug for known in tracked(engine)}:
        return
    try:
        found = asyncio.run(RssSource.from_settings(settings).search(event.keywords[0], limit=100))
    except SourceError:
        print_line("the news cannot be reached from here; replayed and posted texts are shown")
        if topic is None:
            return
        found = []
    track(engine, event)
    print_line(f"tracking {event.title!r} in the news: {len(found)} stories now")
