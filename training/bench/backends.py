"""Serving backends compared in one run: the same model, texts and threads for each."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barometer.settings import REPOSITORY
from training.bench.contenders import CONTENDERS, SERVED

LONGEST_S = 1_800
"""Seconds that one backend may take."""


@dataclass(frozen=True)
class Texts:
    """What is classified."""

    source: str
    """Where the texts come from, as the table names them."""
    texts: list[str]
    labels: list[int]
    """Their emotions by number; empty where nobody has labelled them."""


def compare(
    folder: Path,
    posts: Texts,
    labelled: Texts,
    threads: int,
    price: float,
    on_step: Callable[[int, str], None],
) -> list[dict[str, Any]]:
    """Every backend's figures, or why it has none, in the order of `CONTENDERS`.

    Args:
        folder: a model folder; those made by `write_folder` hold what every backend needs.
        posts: the texts for speed, latency, memory, and agreement with the default backend.
        labelled: the texts for the accuracy; perhaps the same.
        threads: threads of each backend.
        price: what an hour of this machine costs, in US dollars.
        on_step: told how many backends are done, and which is next.
    """
    lines = []
    for number, name in enumerate(CONTENDERS):
        on_step(number, name)
        line = _alone(name, folder, posts, labelled, threads)
        if "missing" not in line:
            hours = 1e6 / line["texts_per_second"] / 3600
            line["usd_per_million_texts"] = round(hours * price, 4)
            line["default"] = name == SERVED
        lines.append(line)
    _agree(lines)
    return lines


def _agree(lines: Sequence[dict[str, Any]]) -> None:
    """Put the share of texts with the default's labels in the place of each backend's labels."""
    said = {line["backend"]: line.pop("said") for line in lines if "said" in line}
    default = said.get(SERVED)
    for line in lines:
        own = said.get(line["backend"])
        if own is not None:
            same = default and [one == other for one, other in zip(own, default, strict=True)]
            line["agrees"] = round(sum(same) / len(same), 4) if same else None


def _alone(name: str, folder: Path, posts: Texts, labelled: Texts, threads: int) -> dict[str, Any]:
    job = {
        "name": name,
        "folder": str(folder),
        "threads": threads,
        "texts": posts.texts,
        "labelled": labelled.texts,
        "labels": labelled.labels,
    }
    # Two thread pools on few cores starve each other: OpenMP's is told, too.
    env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "training.bench.measure"],
            cwd=REPOSITORY, env=env, input=json.dumps(job), capture_output=True, text=True,
            timeout=LONGEST_S, check=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"backend": name, "missing": f"took over {LONGEST_S} s."}
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()[-1:] or [f"exit code {error.returncode}"]
        return {"backend": name, "missing": f"failed: {last[0]}"}
    line: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return line


COLUMNS = ("backend", "texts/s", "p50 ms", "p99 ms", "MB", "accuracy", "agrees", "USD/1M texts")


def table(lines: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The rows of those that were measured, by `COLUMNS`; the default is marked."""
    return [
        (
            line["backend"] + (" (default)" if line["default"] else ""),
            f"{line['texts_per_second']:,.0f}",
            f"{line['p50_ms']:.2f}",
            f"{line['p99_ms']:.2f}",
            f"{line['memory_mb']:.0f}",
            line["accuracy"],
            line["agrees"],
            f"{line['usd_per_million_texts']:.3f}",
        )
        for line in lines
        if "missing" not in line
    ]
