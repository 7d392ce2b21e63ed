"""Behavioural tests after CheckList (Ribeiro et al. 2020, "Beyond Accuracy").

Three kinds. Invariance: what carries no mood (a name, a place, a typo) must not change the answer.
Direction: a clearly positive sentence added to a text must not make its score worse, a negative one
not better. Minimum functionality: short sentences that no reader mistakes must get their label.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from barometer.labels import TASKS
from inference.classifier import Classifier, Scores
from training.study.behaviour_checks import Answers, Check, all_checks

SHOWN: Final = 5
"""Failing examples that are kept a test."""


@dataclass(frozen=True)
class Behaviour:
    """One behavioural test and how a model did."""

    name: str
    kind: str
    """`invariance`, `direction` or `minimum functionality`."""
    cases: int
    passed: int
    failures: tuple[str, ...] = ()
    """The first few failing cases, each with what the model said."""

    @property
    def rate(self) -> float:
        """The share of cases that passed."""
        return self.passed / self.cases


def run_behaviour(classifier: Classifier) -> list[Behaviour]:
    """Run every behavioural test of the tasks that the model has; some seconds on one core.

    The same model gives the same result each time. Dynamic INT8 takes its scales from a whole
    batch, so where an answer hangs in the balance, other cases beside it may tip it.
    """
    checks = [check for check in all_checks() if check.task in classifier.folder.tasks]
    texts = sorted({text for check in checks for text in (*check.before, *check.after)})
    place = {text: index for index, text in enumerate(texts)}
    scores = classifier.score(texts)
    return [_judged(check, scores, place) for check in checks]


def _judged(check: Check, scores: Scores, place: dict[str, int]) -> Behaviour:
    part = scores.of(check.task)
    assert part is not None  # noqa: S101 - only tests of the model's own tasks are run
    before = part[[place[text] for text in check.before]]
    after = part[[place[text] for text in check.after]]
    passed = check.passes(before, after)
    failures = tuple(
        _described(check, i, before[i], after[i]) for i in np.flatnonzero(~passed).tolist()
    )
    return Behaviour(check.name, check.kind, len(passed), int(passed.sum()), failures[:SHOWN])


def _described(check: Check, case: int, before: Answers, after: Answers) -> str:
    def said(answer: Answers) -> str:
        return f"{TASKS[check.task][answer.argmax()]} {answer.max():.2f}"

    if check.before[case] == check.after[case]:
        return f"{check.after[case]} -> {said(after)}"
    return f"{check.before[case]} -> {said(before)}; {check.after[case]} -> {said(after)}"
