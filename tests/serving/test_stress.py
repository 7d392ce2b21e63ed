import json
from pathlib import Path

from tests.command_line import barometer
from tests.servers import free_port
from tests.serving.stand_alone import Service


def test_stress_counts_what_callers_saw(service: Service, tmp_path: Path) -> None:
    words = ("bench", "stress", "--url", service.url, "--callers", "4", "--seconds", "1")
    seen = json.loads(barometer(*words, "--json", state=tmp_path).stdout)
    assert seen["answered"] == seen["requests"] == sum(seen["models"].values()) > 0
    assert seen["failures"] == {}
    assert 0 < seen["p50_ms"] <= seen["p95_ms"] <= seen["p99_ms"]
    assert seen["requests_per_second"] > 0
    table = barometer(*words, "--same", state=tmp_path).stdout
    assert "requests per second" in table
    assert "barometer:starter" in table


def test_stress_of_nobody_is_one_clear_line(tmp_path: Path) -> None:
    words = ("bench", "stress", "--url", f"http://127.0.0.1:{free_port()}", "--seconds", "1")
    run = barometer(*words, state=tmp_path)
    assert run.returncode == 69
    assert "is not ready" in run.stderr.splitlines()[-1]
