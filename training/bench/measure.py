"""One backend measured in a process of its own, so that its memory is its own.

    python -m training.bench.measure < job.json

Prints one line of JSON: the figures, or `missing` with the reason why there are none.
"""

import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from barometer.errors import BarometerError
from barometer.labels import TASKS
from inference.backends import OpenVinoGraph
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from training.bench.contenders import CONTENDERS

PASSES = 3
"""Passes over all texts; the median counts."""
WARM = 20
"""Texts that are classified before the clock runs."""


def measure(
    name: str,
    folder: Path,
    threads: int,
    texts: Sequence[str],
    labelled: Sequence[str],
    labels: Sequence[int],
) -> dict[str, Any]:
    """Figures of one backend.

    Args:
        name: of `CONTENDERS`.
        folder: the model folder.
        threads: threads of the backend's own.
        texts: what it classifies: all at once for the speed, one by one for the latency.
        labelled: what the accuracy is of.
        labels: the emotions of `labelled`, as numbers in the order of the labels.

    Returns:
        The figures; `said` holds the labels of each of `texts`, as numbers.

    Raises:
        BarometerError: the backend cannot run here, or not on this folder.
    """
    graph = CONTENDERS[name](folder, threads)
    classifier = Classifier(open_model_folder(folder), threads, lambda *_: graph)
    for text in texts[:WARM]:
        classifier.score([text])
    said = classifier.score(texts)
    passes = [_seconds(classifier, texts) for _ in range(PASSES)]
    single = [_seconds(classifier, [text]) * 1000 for text in texts]
    p50, p99 = np.percentile(single, [50, 99])
    emotions = classifier.score(labelled).emotions
    right = None if emotions is None else float(np.mean(emotions.argmax(axis=1) == labels))
    found = [given.argmax(axis=1) for task in TASKS if (given := said.of(task)) is not None]
    return {
        "backend": f"{name} {graph.precision}" if isinstance(graph, OpenVinoGraph) else name,
        "texts_per_second": round(len(texts) / statistics.median(passes), 1),
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
        "memory_mb": round(psutil.Process().memory_info().rss / 1e6, 1),
        "accuracy": None if right is None else round(right, 4),
        "said": np.stack(found, axis=1).tolist(),
    }


def _seconds(classifier: Classifier, texts: Sequence[str]) -> float:
    started = time.perf_counter()
    classifier.score(texts)
    return time.perf_counter() - started


def main() -> None:
    """Measure what standard input asks for."""
    job = json.load(sys.stdin)
    job["folder"] = Path(job["folder"])
    try:
        answer = measure(**job)
    except BarometerError as error:
        answer = {"backend": job["name"], "missing": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
