"""A real service process whose champion and starter are both broken on disk: it answers."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from barometer.redis_server import redis_url
from barometer.settings import REPOSITORY, Settings
from barometer.tracking import CHAMPION
from serving.run import bento_command, bento_environment
from tests.conftest import STARTER
from tests.machine import eventually
from tests.servers import free_port
from tests.serving import chat_server as server
from training.register import register

ROOMS = ("barometer", "inference", "ingestion", "monitoring", "serving")


def spoil(graph: Path) -> None:
    """Half a file, as an interrupted copy leaves it."""
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])


@contextmanager
def running(code: Path, settings: Settings, **more: str) -> Iterator[httpx.Client]:
    """`serving.service` of the program's copy in `code`."""
    env = {
        "PATH": str(Path(sys.executable).parent),
        "PYTHONPATH": str(code),
        "BAROMETER_STATE_DIR": str(settings.state),
        "BAROMETER_NEWS_SEARCH_URL": "off",
        "BAROMETER_REDIS_URL": redis_url(settings),
        **bento_environment(settings),
        **more,
    }
    process = subprocess.Popen(bento_command(), cwd=code, env=env)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", timeout=60) as http:
            eventually(lambda: http.get("/readyz").is_success, "the service is not ready", 240)
            yield http
    finally:
        process.terminate()
        process.wait(60)


def test_service_without_any_model_answers_by_the_llm_then_by_vader(tmp_path: Path) -> None:
    for room in ROOMS:
        shutil.copytree(REPOSITORY / room, tmp_path / "code" / room)
    starter = shutil.copytree(STARTER, tmp_path / "code" / "models" / "starter")
    settings = Settings(state_dir=tmp_path / "state", port=free_port())
    register(settings, STARTER, CHAMPION)
    kept = list((settings.state / "mlflow-artifacts").rglob("model.onnx"))
    assert kept
    for graph in (*kept, starter / "model.onnx"):
        spoil(graph)
    with (
        server.chat_server() as chat,
        running(
            tmp_path / "code", settings, BAROMETER_BREAKER_REST_S="2", BAROMETER_LLM_URL=chat.url,
            BAROMETER_LLM_MODEL="small-1", BAROMETER_LLM_API_KEY="secret-of-mine",
        ) as http,
    ):  # fmt: skip
        chat.answers = [server.labels, server.status(500)]
        body = {"text": "i am so glad and happy"}
        by_llm = http.post("/predict", json=body).json()
        assert (by_llm["emotion"], by_llm["confidence"]) == ("joy", None)
        assert (by_llm["model_used"], by_llm["fallback_used"]) == ("llm:small-1", True)
        for _ in range(4):
            by_vader = http.post("/predict", json=body).json()
            assert (by_vader["emotion"], by_vader["sentiment"]) == (None, "positive")
            assert (by_vader["model_used"], by_vader["fallback_used"]) == ("vader", True)
        batch = http.post("/predict/batch", json={"texts": ["i hate it"] * 3}).json()
        assert (batch["model_used"], batch["fallback_used"]) == ("vader", True)
        assert [result["sentiment"] for result in batch["results"]] == ["negative"] * 3
        state = http.get("/failsafe").json()
        assert state["breaker"]["opened_at"] is not None
        assert state["last_failure"]["kind"] == "ModelError"
        assert "secret-of-mine" not in str(state)
        status = http.get("/status").json()
        assert status["status"] == "degraded"
        assert status["model_version"] == "none"
        assert "version none goes on answering" in status["parts"]["model"]["detail"]
        assert status["parts"]["failsafe"]["ok"] is False
        explained = http.get("/explain", params={"text": "i am glad"})
        assert (explained.status_code, explained.headers["retry-after"]) == (503, "5")
        models = http.get("/models").json()
        for told in (explained.json(), status, models, http.get("/failsafe").json()):
            assert str(tmp_path) not in str(told)  # where things lie is the log's alone
        assert http.post("/analyze", json={"keyword": "bus"}).json()["degraded"] is True

        def breaker() -> str:
            return str(http.get("/failsafe").json()["breaker"]["state"])

        eventually(lambda: breaker() == "half-open", "the breaker does not rest", 30)
        assert http.post("/predict", json=body).json()["fallback_used"] is True
        closed = http.post("/failsafe/reset").json()
        assert closed["breaker"]["state"] == "closed"
        assert http.get("/readyz").is_success
