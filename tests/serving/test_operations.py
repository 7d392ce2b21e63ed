"""What an operator relies on: logs, metrics, memory, and an end without a lost request."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from barometer.brokers import open_broker
from barometer.settings import REPOSITORY, Settings
from barometer.tracking import CHAMPION
from tests.conftest import post
from tests.machine import eventually
from tests.servers import free_port, redis_server
from tests.serving.broken_models import ENDLESS, never_ending
from tests.serving.service import Service, running_service
from training.register import register

MOST_MEMORY = 400e6
MARK = "zxqvmarker"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    state = tmp_path_factory.mktemp("alone") / "state"
    return Settings(state_dir=state, port=free_port(), news_search_url="off")


@pytest.fixture(scope="module")
def server(alone: Settings) -> Iterator[str]:
    with redis_server(alone.state) as url:
        yield url


@pytest.fixture(scope="module")
def service(alone: Settings, server: str) -> Iterator[Service]:
    with running_service(alone) as running:
        yield running


def figures(http: httpx.Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of `/metrics` by name and labels."""
    answer = http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def of(found: dict[Any, float], name: str, **labels: str) -> float:
    return found.get((f"barometer_{name}", frozenset(labels.items())), 0.0)


def test_request_has_an_id_in_answer_problem_and_log(service: Service) -> None:
    given = {"x-request-id": "caller-1.a"}
    answer = service.http.post("/predict", json={"text": "i am glad"}, headers=given)
    assert answer.headers["x-request-id"] == "caller-1.a"
    problem = service.http.post("/predict", json={"text": 5})
    made = problem.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert problem.json()["request_id"] == made

    def told() -> dict[str, dict[str, object]]:
        return {each["request_id"]: each for each in service.lines() if each["event"] == "request"}

    eventually(lambda: made in told(), "the log does not tell of a request")  # after its answer
    lines = told()
    assert lines["caller-1.a"]["status"] == 200
    assert lines["caller-1.a"]["origin"] == "model"
    assert lines[made]["status"] == 422
    assert lines[made]["route"] == "/predict"
    assert lines[made]["ms"] > 0


@pytest.mark.parametrize("forged", ["", "a b", "x" * 65, 'a", "level": "error', "ä"])
def test_unsafe_id_is_replaced(service: Service, forged: str) -> None:
    answer = service.http.get("/status", headers={"x-request-id": forged.encode()})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


def test_no_log_line_holds_what_callers_wrote(service: Service) -> None:
    http = service.http
    http.post("/predict", json={"text": f"i love {MARK}"})
    http.post("/predict", json={"text": "\x00" + MARK, "model": MARK})
    http.post("/predict/batch", json={"texts": [MARK, f"{MARK} is so sad"]})
    http.post("/analyze", json={"keyword": MARK})
    http.post("/predict", content=f'{{"text": "{MARK}'.encode())
    body = {"id": MARK, "text": f"hello {MARK}", "created_at": "2026-03-14T12:00:00Z"}
    assert http.post("/ingest", json={"source": "form", "posts": [body]}).status_code == 202
    http.get(f"/events/{MARK}", params={"q": MARK})
    http.get(f"/{MARK}")
    assert len([line for line in service.lines() if line["event"] == "request"]) >= 8
    assert MARK not in service.log.read_text()


def test_metrics_count_what_was_asked(service: Service) -> None:
    before = figures(service.http)
    for text in ("i am glad of each metric", "i am so sad of each metric"):  # in no cache yet
        service.http.post("/predict", json={"text": text})
    service.http.post("/predict/batch", json={"texts": [f"one two three {n}" for n in range(5)]})
    service.http.get("/somewhere-that-is-not")
    service.http.get("/events/none-of-that-name")
    after = figures(service.http)

    def more(name: str, **labels: str) -> float:
        return of(after, name, **labels) - of(before, name, **labels)

    assert more("requests_total", route="/predict", method="POST", status="200") == 2
    assert more("requests_total", route="/events/{slug}", method="GET", status="404") == 1
    assert more("requests_total", route="unknown", method="GET", status="404") == 1
    assert more("request_seconds_count", route="/predict", origin="model") == 2
    assert more("request_seconds_count", route="/predict/batch", origin="model") == 1
    assert 0 < more("request_seconds_sum", route="/predict", origin="model") < 60
    assert more("answers_total", origin="model") == 7
    assert more("batch_texts_sum") == 7
    assert more("batch_texts_count") == 3
    assert 7 * 5 <= more("tokens_total") <= 7 * 12
    assert of(after, "model_info", version="starter", alias="champion") == 1
    assert of(after, "redis_up") == 1
    assert ("process_resident_memory_bytes", frozenset()) in after


def test_repeated_analysis_is_a_hit_of_its_cache(service: Service) -> None:
    before = figures(service.http)
    for _ in range(3):
        service.http.post("/analyze", json={"keyword": "a keyword of this test"})
    after = figures(service.http)
    hits, misses = (
        of(after, name, layer="analyses") - of(before, name, layer="analyses")
        for name in ("cache_hits_total", "cache_misses_total")
    )
    assert (hits, misses) == (2, 1)


def test_made_up_paths_do_not_grow_the_metrics(service: Service) -> None:
    service.http.get("/made-up/0")
    before = len(figures(service.http))
    for number in range(1, 50):
        service.http.get(f"/made-up/{number}")
        service.http.request("BREW", f"/events/made-up-{number}")
    assert len(figures(service.http)) <= before + 20


def test_memory_stays_within_its_bound_after_a_thousand_predictions(service: Service) -> None:
    service.http.post("/analyze", json={"keyword": "feel", "return_plot": True})
    for start in range(0, 1_000, 100):
        texts = [f"i feel {number} times better " * 3 for number in range(start, start + 100)]
        assert service.http.post("/predict/batch", json={"texts": texts}).status_code == 200
    tree = psutil.Process(service.process.pid)

    def stays_small() -> bool:
        sizes = [p.memory_info().rss for p in (tree, *tree.children(recursive=True))]
        return max(sizes) < MOST_MEMORY

    # What the batches took goes back to the system at the next look at the registry.
    eventually(stays_small, "a process keeps more than its bound", 2 * Settings().model_poll_s)


async def test_requests_under_way_are_finished_before_the_service_ends(
    tmp_path: Path, server: str
) -> None:
    own = Settings(state_dir=tmp_path / "state", port=free_port(), news_search_url="off")
    texts = [f"number {i} made me so happy that i told everyone about it" for i in range(40)]
    with running_service(own, BAROMETER_REDIS_URL=server, BAROMETER_SHUTDOWN_S="120") as service:
        async with httpx.AsyncClient(base_url=service.http.base_url, timeout=60) as http:

            async def ask() -> int:
                body = {"texts": texts}
                answer = await http.post("/predict/batch", json=body)
                assert len(answer.json()["results"]) == len(texts)
                return answer.status_code

            asked = [asyncio.create_task(ask()) for _ in range(50)]
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            assert sum(task.done() for task in asked) < 50  # it is in the middle of them
            service.process.send_signal(signal.SIGTERM)
            assert await asyncio.gather(*asked) == [200] * 50
        assert service.process.wait(60) == 0
        batches = [line for line in service.lines() if line.get("route") == "/predict/batch"]
        assert [line["status"] for line in batches] == [200] * 50
        with pytest.raises(httpx.ConnectError):
            service.http.get("/healthz")


def test_model_call_that_never_ends_does_not_keep_the_service_from_ending(
    tmp_path: Path, server: str
) -> None:
    own = Settings(state_dir=tmp_path / "state", port=free_port(), news_search_url="off")
    register(own, never_ending(tmp_path / "endless"), CHAMPION)
    limits = {"BAROMETER_MODEL_TIMEOUT_S": "0.5", "BAROMETER_SHUTDOWN_S": "1"}
    with running_service(own, BAROMETER_REDIS_URL=server, **limits) as service:
        answers = [
            service.http.post("/predict", json={"text": text}).json()["model_used"]
            for text in ("i am glad", f"i love the {ENDLESS}", "i am sad")
        ]
        assert answers == ["barometer:1", "vader", "barometer:1"]
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(10) == 0
        assert service.lines()[-1]["event"] == "every request is answered; stopping"


def test_scorer_finishes_its_batch_shows_its_figures_and_stays_small(
    alone: Settings, server: str
) -> None:
    broker, port = open_broker(alone), free_port()
    posts = [post(number, f"number {number} made me happy", source="s") for number in range(3_000)]
    process = subprocess.Popen(
        [sys.executable, "-m", "barometer", "work", "--name", "one"], cwd=REPOSITORY,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={
            **os.environ, "BAROMETER_STATE_DIR": str(alone.state), "BAROMETER_REDIS_URL": server,
            "BAROMETER_WORK_METRICS_PORT": str(port),
        },
    )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
            eventually(lambda: figures(http), "the scorer shows no figures")
            threading.Thread(target=broker.publish, args=(posts,)).start()

            def stored() -> float:
                return of(figures(http), "posts_scored_total")

            assert eventually(lambda: stored() >= 512 and stored(), "nothing is scored") < 3_000
            assert psutil.Process(process.pid).memory_info().rss < MOST_MEMORY
        process.send_signal(signal.SIGTERM)
        written, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        told = [json.loads(line) for line in written.splitlines()]  # all of it is JSON
        assert {"scoring", "stopped"} <= {line["event"] for line in told}
        # What it took, it stored and acknowledged: another of its name gets only new ones.
        assert {entry.deliveries for entry in broker.receive("one", 3_000, block_ms=10)} == {1}
    finally:
        process.kill()


def test_metrics_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = subprocess.run(
            [sys.executable, "-m", "barometer", "work"], cwd=REPOSITORY, check=False,
            capture_output=True, text=True, timeout=120,
            env={**os.environ, "BAROMETER_STATE_DIR": str(tmp_path),
                 "BAROMETER_WORK_METRICS_PORT": port},
        )  # fmt: skip
    assert result.returncode == 78
    assert f"BAROMETER_WORK_METRICS_PORT={port} is taken" in result.stderr
