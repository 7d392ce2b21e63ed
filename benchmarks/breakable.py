"""A service with a Redis, a database and a registry of its own, whose parts break for real.

Versions in the registry: 1, the starter, is champion; 2 is the same, less sure of its answers; 3
reads more tokens than its graph has places for, so that every long text makes the graph fail.
"""

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from barometer.database import database_url, engine_for, migrate
from barometer.posts import Post
from barometer.redis_server import connected, server_command
from barometer.settings import Settings
from barometer.store import store
from barometer.tracking import CHAMPION
from benchmarks.callers import KEYWORDS, KNOWN
from benchmarks.scratch import BAROMETER, running
from inference.promotion import promote, rollback
from inference.registry import load_champion
from serving.answers import Answers
from serving.judge import judge
from serving.models import Models
from serving.parts import STARTER
from training.register import register

POSTS = 40
"""Stored ones that mention a keyword."""
REST_S = "1"
"""A breaker's rest: long enough to be seen, not the minute of an operator's."""
LONGEST_S = 60.0
"""That a part may take to be in force again."""


class Breakable:
    """The running service, and what can be done to it."""

    def __init__(self, settings: Settings, http: httpx.Client, stack: ExitStack) -> None:
        self._settings = settings
        self._http = http
        self._stack = stack
        self.start_redis()
        _fill(settings)
        self._service = stack.enter_context(
            running([*BAROMETER, "serve"], settings, model_poll_s="0.3", breaker_rest_s=REST_S)
        )
        self._until(lambda: http.get("/readyz").is_success, "the service is not ready")

    def start_redis(self) -> None:
        """Start the embedded server, on the files that are there."""
        self._redis = self._stack.enter_context(
            running(server_command(self._settings), self._settings)
        )
        connected(self._settings, wait_s=10)

    def kill_redis(self) -> None:
        """Kill it as the kernel would."""
        self._redis.kill()
        self._redis.wait(10)

    def promote(self, version: str) -> None:
        """Make `version` the champion, and wait until it answers."""
        promote(self._settings, version, over=self._version())
        self._until(lambda: self._version() == version, f"version {version} does not answer")

    def break_model(self) -> None:
        """Make the version that fails on long texts the champion, and wait until it was too often.

        A request that it fails on is answered all the same: by an LLM or by VADER.
        """
        self.promote("3")
        self._until(
            lambda: self._http.get("/failsafe").json()["breaker"]["state"] != "closed",
            "no call to the model fails",
        )

    def roll_back(self) -> None:
        """Put the former champion back, and wait until it answers."""
        former, _ = rollback(self._settings)
        self._until(lambda: self._version() == former, f"version {former} does not answer")

    def mend(self) -> None:
        """Start Redis, put the former champion back, wait until the service calls itself whole."""
        self.start_redis()
        self.roll_back()
        asked = {"keyword": KEYWORDS[0]}
        self._until(
            lambda: not self._http.post("/analyze", json=asked).json()["degraded"],
            "the service stays degraded",
        )

    def origins(self) -> dict[str, int]:
        """How many texts were answered so far by memory, redis, model, llm and vader."""
        families = text_string_to_metric_families(self._http.get("/metrics").text)
        return {
            sample.labels["origin"]: int(sample.value)
            for family in families for sample in family.samples
            if sample.name == "barometer_answers_total"
        }  # fmt: skip

    def resident_mb(self) -> float:
        """Memory of the service's process now."""
        return float(self._service.memory_info().rss / 1e6)

    def peak_mb(self) -> float | None:
        """The most that it ever was; None where the system does not tell (only Linux does)."""
        status = Path(f"/proc/{self._service.pid}/status")
        if not status.is_file():
            return None
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e6

    def _version(self) -> str:
        return str(self._http.get("/status").json()["model_version"])

    def _until(self, check: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + LONGEST_S
        while True:
            try:
                if check():
                    return
            except httpx.TransportError:
                pass  # it is still starting
            if time.monotonic() > deadline:
                raise TimeoutError(otherwise)
            time.sleep(0.1)


@contextmanager
def breakable(settings: Settings) -> Iterator[Breakable]:
    """Fill a registry, a database and a Redis in the settings' state folder, and start all."""
    register(settings, STARTER, CHAMPION)
    scratch = settings.state / "variants"
    for name, change in (("less-sure", _less_sure), ("reckless", _reckless)):
        folder = shutil.copytree(STARTER, scratch / name)
        config = json.loads((folder / "config.json").read_text())
        change(config["barometer"])
        (folder / "config.json").write_text(json.dumps(config))
        register(settings, folder)
    base = f"http://127.0.0.1:{settings.port}"
    with httpx.Client(base_url=base, timeout=60) as http, ExitStack() as stack:
        yield Breakable(settings, http, stack)


def _less_sure(own: dict[str, Any]) -> None:
    own["temperatures"] = {task: 3 * value for task, value in own["temperatures"].items()}


def _reckless(own: dict[str, Any]) -> None:
    own["max_tokens"] = 5_000


def _fill(settings: Settings) -> None:
    """Store posts, and lay answers into Redis as another process of the service would have."""
    migrate(database_url(settings))
    engine = engine_for(database_url(settings))
    champion = load_champion(settings)
    now = datetime.now(UTC)
    posts = [
        Post(source="form", id=f"{word}-{n}", text=f"the {word} makes me happy, day {n}",
             created_at=now - timedelta(minutes=n))
        for word in KEYWORDS for n in range(POSTS)
    ]  # fmt: skip
    judged = judge(champion, [post.text for post in posts])
    store(engine, list(zip(posts, judged, strict=True)))
    answers = Answers(Models(champion), settings, connected(settings))
    asyncio.run(_answered(answers))


async def _answered(answers: Answers) -> None:
    await answers.answer(KNOWN)
