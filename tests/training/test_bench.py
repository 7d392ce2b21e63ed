"""`barometer bench backends`, as a person runs it."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from barometer.settings import REPOSITORY
from training.bench.backends import COLUMNS
from training.encoder import load_pretrained

CUDA = {"PyTorch FP32, CUDA", "ONNX Runtime FP32, CUDA"}


def bench(state: Path, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "barometer", "bench", "backends", *words], check=True,
        capture_output=True, text=True, cwd=REPOSITORY, timeout=600,
        env={**os.environ, "BAROMETER_STATE_DIR": str(state), "BAROMETER_THREADS": "1",
             "COLUMNS": "160", **env},
    )  # fmt: skip


def test_checkpoint_is_compared_in_every_backend_that_is_here(
    tmp_path: Path, base: Path, rows: Path
) -> None:
    checkpoint = tmp_path / "checkpoint"
    for part in load_pretrained(str(base)):
        part.save_pretrained(checkpoint)
    words = ("--checkpoint", str(checkpoint), "--rows", "60", "--price", "1.5", "--json")
    found = json.loads(bench(tmp_path, *words, BAROMETER_EMOTION_DATA=str(rows / "emotion")).stdout)
    assert (found["texts"], found["threads"], found["usd_per_hour"]) == (60, 1, 1.5)
    lines: dict[str, Any] = {line["backend"]: line for line in found["backends"]}
    here = {"PyTorch FP32", "ONNX Runtime FP32", "ONNX Runtime INT8"}
    measured = {name: line for name, line in lines.items() if "missing" not in line}
    assert here <= measured.keys()
    if find_spec("openvino"):
        assert measured.keys() & {"OpenVINO bf16", "OpenVINO f16", "OpenVINO f32"}
    assert lines.keys() >= CUDA  # measured where there is a GPU, else with the reason
    assert [name for name in measured if measured[name]["default"]] == ["ONNX Runtime INT8"]
    assert found["accuracy_of"] == {"texts": 60, "source": "validation rows of emotion"}
    reference = measured["PyTorch FP32"]["accuracy"]
    assert measured["ONNX Runtime FP32"]["accuracy"] == reference
    for line in measured.values():
        assert line["accuracy"] == pytest.approx(reference, abs=0.15)
        assert line["texts_per_second"] > 0
        assert 0 < line["p50_ms"] <= line["p99_ms"]
        assert 20 < line["memory_mb"] < 2_000
        cost = 1.5 * 1e6 / 3600 / line["texts_per_second"]
        assert line["usd_per_million_texts"] == pytest.approx(cost, rel=0.05, abs=1e-3)


def test_starter_alone_is_compared_with_its_own_weights_in_fp32(tmp_path: Path) -> None:
    output = bench(tmp_path, "--rows", "20").stdout
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines()]
    lines = {row[0]: row[1:] for row in cells if len(row) == len(COLUMNS)}
    assert {"PyTorch FP32", "ONNX Runtime FP32", "ONNX Runtime INT8 (default)"} <= lines.keys()
    for figures in lines.values():
        *_, accuracy, agrees, cost = map(float, figures)
        assert accuracy > 0.85  # sentences that no reader mistakes
        assert agrees >= 0.85  # a post hangs in the balance, and INT8 rounds what it reads
        assert cost > 0
    assert float(lines["ONNX Runtime INT8 (default)"][-2]) == 1
    assert lines["PyTorch FP32"][-3:-1] == lines["ONNX Runtime FP32"][-3:-1]
    for told in (
        "starter: 20 bundled posts without labels",
        "0.10 USD an hour",
        "accuracy: of the emotion of 180 plain sentences",
        "FP32: restored from the INT8 graph",
    ):
        assert told in output
