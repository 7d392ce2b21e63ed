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
    reference = measured["PyTorch FP32"]["accuracy"]
    assert measured["ONNX Runtime FP32"]["accuracy"] == reference
    for line in measured.values():
        assert line["accuracy"] == pytest.approx(reference, abs=0.15)
        assert line["texts_per_second"] > 0
        assert 0 < line["p50_ms"] <= line["p99_ms"]
        assert 20 < line["memory_mb"] < 2_000
        cost = 1.5 * 1e6 / 3600 / line["texts_per_second"]
        assert line["usd_per_million_texts"] == pytest.approx(cost, rel=0.05, abs=1e-3)


def test_folder_alone_gives_the_rows_that_it_can_and_reasons_for_the_rest(tmp_path: Path) -> None:
    output = bench(tmp_path, "--rows", "20").stdout
    [measured] = [line for line in output.splitlines() if "ONNX Runtime INT8 (default)" in line]
    assert "0." in measured
    assert "20 bundled posts without labels" in output
    assert "0.10 USD an hour" in output
    for reason in (
        "PyTorch FP32: not measured: needs the PyTorch weights: name them by --checkpoint",
        "ONNX Runtime FP32: not measured: needs model.fp32.onnx",
    ):
        assert reason in output
