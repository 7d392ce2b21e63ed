"""A swap, a rollback and a damaged champion under load, in the service as it is served."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psutil
import pytest
from websockets.sync.client import ClientConnection, connect

from barometer.redis_server import connect as redis_client
from barometer.redis_server import redis_url
from barometer.settings import REPOSITORY, Settings
from barometer.tracking import CHAMPION, mlflow_client
from inference.promotion import promote, rollback
from inference.registry import load
from serving.heartbeat import HEARTBEAT
from serving.judge import judge
from serving.run import bento_command, bento_environment
from tests.machine import eventually
from tests.servers import free_port, redis_server

TEXTS = ["i feel a bit lonely today", "what a nice surprise", "this delay makes me angry",
         "i am nervous about the vote", "we love the new tram"]  # fmt: skip
CALLERS = 4
BATCHED = 0.1
"""A text that shares an INT8 batch with others is answered otherwise by less than this."""
MORE_MEMORY = 200_000_000
"""Bytes that the process may keep after a swap and back: not a model for each."""


@contextmanager
def service(settings: Settings) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    env = {
        **os.environ,
        "BAROMETER_STATE_DIR": str(settings.state),
        "BAROMETER_NEWS_SEARCH_URL": "off",
        "BAROMETER_REDIS_URL": redis_url(settings),
        "BAROMETER_MODEL_POLL_S": "0.3",
        **bento_environment(settings),
    }
    process = subprocess.Popen(bento_command(), cwd=REPOSITORY, env=env)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", timeout=60) as http:
            eventually(lambda: http.get("/readyz").is_success, "the service is not ready", 90)
            yield http, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


class Load:
    """Callers that ask without a pause until told to stop; every answer is kept."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self.answers: list[tuple[str, dict]] = []
        self.failures: list[str] = []

    def versions(self) -> Counter[str]:
        return Counter(answer["model_used"] for _, answer in self.answers)

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as http:
            while not self._stop.is_set():
                text = TEXTS[len(self.answers) % len(TEXTS)]
                try:
                    answer = http.post("/predict", json={"text": text}).raise_for_status().json()
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                else:
                    self.answers.append((text, answer))

    @contextmanager
    def on(self) -> Iterator[None]:
        with ThreadPoolExecutor(CALLERS) as pool:
            runs = [pool.submit(self.run) for _ in range(CALLERS)]
            try:
                yield
            finally:
                self._stop.set()
        for one in runs:
            one.result()


def apart(one: dict[str, float], other: dict[str, float]) -> float:
    """The largest difference between two answers' probabilities of an emotion."""
    return max(abs(one[emotion] - other[emotion]) for emotion in other)


def heard(live: ClientConnection, kind: str) -> dict:
    while True:
        message: dict = json.loads(live.recv(timeout=60))
        if message["type"] == kind:
            return message


@pytest.fixture
def served(registry: Settings) -> Settings:
    return registry.model_copy(update={"port": free_port()})


def test_swap_and_rollback_under_load_lose_no_request(served: Settings) -> None:
    expected: dict[str, dict[str, dict[str, float]]] = {}
    for version in ("1", "2"):
        model = load(served, version)
        expected[f"barometer:{version}"] = {
            text: judge(model, [text])[0].emotions or {} for text in TEXTS
        }
    client = mlflow_client(served)
    with redis_server(served.state_dir), service(served) as (http, web):
        load_on = Load(str(http.base_url))
        address = str(http.base_url).replace("http", "ws", 1).rstrip("/") + "/live"
        with connect(address) as live, load_on.on():
            eventually(lambda: load_on.versions()["barometer:1"] > 40, "no answers")
            size = web.memory_info().rss
            promote(served, "2", over="1")
            assert heard(live, "model")["model_version"] == "2"
            eventually(lambda: load_on.versions()["barometer:2"] > 40, "no swap")
            rollback(served)
            assert heard(live, "model")["model_version"] == "1"
            before = load_on.versions()["barometer:1"]
            eventually(lambda: load_on.versions()["barometer:1"] > before + 40, "no rollback")
            client.set_registered_model_alias("barometer", CHAMPION, "5")
            assert "version 5 is refused" in heard(live, "alert")["message"]
            before = load_on.versions()["barometer:1"]
            eventually(lambda: load_on.versions()["barometer:1"] > before + 40, "no answers")
        eventually(lambda: web.memory_info().rss < size + MORE_MEMORY, "models are kept")
        status = http.get("/status").json()
        assert status["model_version"] == "1"
        assert status["parts"]["model"]["ok"] is False
        assert "version 5 is refused" in status["parts"]["model"]["detail"]
        assert "version 5 is refused" in status["alerts"][-1]["message"]
        traffic = {
            m["version"]: m["traffic"]["texts"] for m in http.get("/models").json()["models"]
        }
    assert load_on.failures == []
    assert set(load_on.versions()) == {"barometer:1", "barometer:2"}
    assert traffic["1"] + traffic["2"] == len(load_on.answers)
    for text, answer in load_on.answers:
        distances = {name: apart(answer["emotions"], of[text]) for name, of in expected.items()}
        assert min(distances, key=distances.__getitem__) == answer["model_used"]
        assert distances[answer["model_used"]] < BATCHED


def test_scorer_process_follows_the_champion(served: Settings) -> None:
    with redis_server(served.state_dir):
        redis = redis_client(redis_url(served))
        env = {
            **os.environ,
            "BAROMETER_STATE_DIR": str(served.state),
            "BAROMETER_REDIS_URL": redis_url(served),
            "BAROMETER_MODEL_POLL_S": "0.3",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "barometer", "work"], cwd=REPOSITORY, env=env
        )
        try:
            eventually(lambda: redis.get(HEARTBEAT) == "1", "the scorer does not work", 90)
            promote(served, "2", over="1")
            eventually(lambda: redis.get(HEARTBEAT) == "2", "the scorer does not follow")
        finally:
            process.terminate()
            process.wait(30)
