"""Which of two models is faster, measured in the same run on a machine that has other work."""

import time
from collections.abc import Callable, Sequence
from statistics import median

from inference.classifier import Classifier

ROUNDS = 20
"""Rounds of four calls."""
TEXTS = 32
"""Texts of one call, about one batch."""


def interleaved_ms(
    champion: Classifier,
    challenger: Classifier,
    texts: Sequence[str],
    on_round: Callable[[int, int], None],
    rounds: int = ROUNDS,
) -> tuple[float, float]:
    """Median milliseconds a text of both, each loaded with one thread.

    Noise: processor time is read, which on one thread is the latency of a machine without other
    work, since what other programs take is not counted. A round calls the models in the order
    A B B A, so that a drift of the processor's speed falls on both alike; the medians ignore
    rounds that were disturbed; the first round warms up and does not count. With two cores under a
    load of seven, the ratio of a model to itself so stayed within 2.5 % (wall time: 5 %).
    """
    own = list(texts[:TEXTS])
    times: tuple[list[float], list[float]] = ([], [])
    models = (champion, challenger)
    for number in range(rounds + 1):
        for which in (0, 1, 1, 0):
            started = time.process_time()
            models[which].score(own)
            if number:
                times[which].append(time.process_time() - started)
        on_round(number, rounds)
    return median(times[0]) * 1000 / len(own), median(times[1]) * 1000 / len(own)
