"""A loaded model's last check before it answers anybody: the same answers as when registered."""

import json
import time
from typing import Final

import numpy as np

from barometer.errors import ModelError
from barometer.labels import TASKS
from inference.classifier import Classifier, Scores

CHECK_TAG: Final = "check"
"""The registry tag with a version's own answers to `TEXTS`."""
TEXTS: Final = (
    "i am so happy that it arrived in time",
    "this is terrible, they lied to all of us again",
    "the meeting is on tuesday at noon",
    "i miss you so much and i cannot stop crying",
    "what a lovely surprise 🎉 i adore all of you ❤️",
    "i am scared of what comes next... are you?",
    "RT @someone: NOT funny!!! see https://example.org",
    "день был хороший, мы танцевали до утра",
    "the long road went on " * 40,
)
TOLERANCE: Final = 0.05
"""Mean difference of a text's probabilities: other processors round INT8 sums otherwise."""
DEAD: Final = 1e-3
"""A model whose probabilities never move as far as this between the texts reads nothing."""
ROUNDS: Final = 3


def answers(classifier: Classifier) -> str:
    """The model's probabilities for `TEXTS` as JSON, to be kept with its version."""
    scores = classifier.score(TEXTS)
    given = {task: scores.of(task) for task in TASKS}
    return json.dumps(
        {task: found.round(4).tolist() for task, found in given.items() if found is not None}
    )


def check(classifier: Classifier, recorded: str | None) -> float:
    """Warm the model up, hold it against its recorded answers, and time it.

    Args:
        classifier: the model as it is about to serve.
        recorded: what `answers` said when the version was registered; None: only probabilities
            that make sense are asked for.

    Returns:
        Texts a second over `TEXTS` in one call, the best of three.

    Raises:
        ModelError: its answers are no probabilities, or not those of the registered model.
    """
    try:
        scores = classifier.score(TEXTS)
    except Exception as error:  # ONNX Runtime raises bare Exception subclasses
        raise ModelError(f"the model fails on the fixed texts: {error}.") from error
    expected = json.loads(recorded) if recorded else {}
    for task in classifier.folder.tasks:
        _check_task(task, scores, expected.get(task))
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        classifier.score(TEXTS)
        seconds.append(time.perf_counter() - start)
    return len(TEXTS) / min(seconds)


def _check_task(task: str, scores: Scores, expected: list[list[float]] | None) -> None:
    given = scores.of(task)
    if given is None or not np.isfinite(given).all() or np.abs(given.sum(axis=1) - 1).max() > 1e-3:
        raise ModelError(f"the model's {task} answers to the fixed texts are no probabilities.")
    if expected is None:
        if np.ptp(given, axis=0).max() < DEAD:
            raise ModelError(f"the model gives every text the same {task}: its graph is damaged.")
        return
    wanted = np.array(expected)
    if wanted.shape != given.shape:
        raise ModelError(f"the model's {task} answers have another shape than when registered.")
    apart = float(np.abs(given - wanted).mean(axis=1).max())
    if apart > TOLERANCE:
        raise ModelError(
            f"the model's {task} answers to the fixed texts are {apart:.3f} away from those that "
            f"were registered; {TOLERANCE} is allowed."
        )
