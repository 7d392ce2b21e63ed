"""The gate's decision: is the challenger no worse anywhere that counts, and better somewhere?

Two kinds of evidence are asked for, because rows are few. The figures of a whole row set must be
shown not to have fallen (the lower bound of the difference stays above a margin). Of a single
class or behaviour too few rows tell that; there the gate refuses a loss that chance does not
explain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from barometer.errors import RefusedError
from barometer.labels import TASKS
from training.gate.bounds import Bounds
from training.gate.comparison import class_changes, holm, mcnemar, paired_bootstrap
from training.study.behaviour import Behaviour
from training.study.intervals import class_f1_of, confusion

Ints = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Line:
    """One line of the report. `measured` is held against `bound`; the rest is for the reader."""

    check: str
    subject: str
    champion: float | None = None
    challenger: float | None = None
    measured: float | None = None
    bound: float | None = None
    passed: bool = False
    detail: str = ""
    interval: tuple[float, float] | None = None
    """One-sided bounds of the difference at the line's level, where there is one."""


@dataclass(frozen=True)
class Decision:
    """What the gate found, of registered versions."""

    champion: str
    challenger: str
    lines: tuple[Line, ...]
    bounds: Bounds
    dry_run: bool = False
    to: str = "production"
    """The stage that the challenger enters on a pass."""

    @property
    def passed(self) -> bool:
        """Whether every line passes."""
        return all(line.passed for line in self.lines)

    def raise_if_refused(self) -> None:
        """Turn a refusal into an error.

        Raises:
            RefusedError: a line fails; names the first.
        """
        failed = [line for line in self.lines if not line.passed]
        if failed:
            more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            raise RefusedError(
                f"the gate refused version {self.challenger} ({failed[0].check}: "
                f"{failed[0].subject}{more}): version {self.champion} stays champion."
            )


@dataclass(frozen=True)
class Answers:
    """Both models' predictions on one task's rows of one row set."""

    task: str
    rows: str
    """Name of the row set: release, validation or live."""
    truth: Ints
    champion: Ints
    challenger: Ints
    note: str = ""
    candidates: int = 1
    """Models among which these very rows have chosen the challenger."""

    @property
    def subject(self) -> str:
        """How the report calls it."""
        return f"{self.task}, {self.rows}"


def compare_answers(answers: Sequence[Answers], bounds: Bounds) -> list[Line]:
    """Lines on accuracy, macro-F1 and each class, and whether any figure is better."""
    judged = [a for a in answers if a.rows != "live" or len(a.truth) >= bounds.fewest_rows]
    lines: list[Line] = []
    gains: list[tuple[str, float]] = []
    for one in answers:
        if one not in judged:
            few = f"{len(one.truth)} rows, fewer than {bounds.fewest_rows}: not judged"
            lines.append(Line("accuracy", one.subject, passed=True, detail=few))
            continue
        found = paired_bootstrap(
            one.truth, one.champion, one.challenger, len(TASKS[one.task]),
            resamples=bounds.resamples, level=bounds.level,
        )  # fmt: skip
        wider = max(1.0, sqrt(bounds.rows / len(one.truth)))
        for check, margin in (("accuracy", bounds.accuracy), ("macro_f1", bounds.macro_f1)):
            d = found[check]
            note = f"{len(one.truth)} rows, {d.point:+.4f}; measured: its lower bound"
            note += f"; {one.note}" * (bool(one.note) and check == "accuracy")
            lines.append(Line(
                check, one.subject, d.champion, d.challenger, d.low, -margin * wider,
                d.low >= -margin * wider, note, (d.low, d.high),
            ))  # fmt: skip
        lines += _class_lines(one, bounds)
        before, after = one.champion == one.truth, one.challenger == one.truth
        p = mcnemar(int((after & ~before).sum()), int((before & ~after).sum()))
        gains += [
            (f"{check} of {one.subject}", min(1.0, p * one.candidates))
            for check, p in (("accuracy", p), ("macro_f1", found["macro_f1"].p_better))
        ]
    return [*lines, _better_line(gains, bounds)]


def _class_lines(answers: Answers, bounds: Bounds) -> list[Line]:
    names = TASKS[answers.task]
    # Within a row set: rows of another one must not make this one's guard looser.
    alpha = (1 - bounds.level) / len(names)
    changes = class_changes(
        answers.truth, answers.champion, answers.challenger, len(names), alpha=alpha
    )
    before, after = (
        class_f1_of(confusion(answers.truth, guess, len(names))).tolist()
        for guess in (answers.champion, answers.challenger)
    )
    lines = []
    for name, c, old, new in zip(names, changes, before, after, strict=True):
        if not c.rows:
            continue
        change, bound = c.challenger - c.champion, min(c.allowed, -bounds.per_class)
        if c.rows >= bounds.class_rows:
            bound = max(bound, -bounds.class_most)
        kept = change >= bound - 1e-12
        paid = new >= old - bounds.class_f1
        how = "; paid back in precision" * (paid and not kept)
        lines.append(Line(
            "class recall", f"{name}, {answers.rows}", c.champion, c.challenger, change, bound,
            kept or paid,
            f"{c.rows} rows, {c.gained} gained, {c.lost} lost, p worse {c.p_worse:.2g}; "
            f"F1 {old:.3f}, now {new:.3f}{how}",
            (c.low, c.high),
        ))  # fmt: skip
    return lines


def _better_line(gains: list[tuple[str, float]], bounds: Bounds) -> Line:
    adjusted = holm([p for _, p in gains])
    if not gains:
        return Line("better", "at least one", passed=False, detail="no rows")
    best = min(range(len(gains)), key=lambda i: (adjusted[i], gains[i][1]))
    passed = adjusted[best] <= 1 - bounds.level
    what = f"best: {gains[best][0]}, p = {gains[best][1]:.2g} (Holm over {len(gains)})"
    return Line("better", "at least one", measured=adjusted[best], bound=1 - bounds.level,
                passed=passed, detail=what)  # fmt: skip


def compare_behaviour(
    champion: Sequence[Behaviour], challenger: Sequence[Behaviour], bounds: Bounds
) -> list[Line]:
    """A line for each behavioural test, and one for all: how far the pass rate has fallen."""
    lines = []
    for old, new in zip(champion, challenger, strict=True):
        pooled = (old.passed + new.passed) / (old.cases + new.cases)
        chance = float(norm.ppf(bounds.level)) * sqrt(2 * pooled * (1 - pooled) / new.cases)
        lines.append(_behaviour_line(new.name, new.kind, old, new, max(bounds.behaviour, chance)))
    before, after = _together(champion), _together(challenger)
    every = f"{len(lines)} tests together"
    return [*lines, _behaviour_line("all tests", every, before, after, bounds.behaviour_all)]


def _behaviour_line(
    subject: str, what: str, old: Behaviour, new: Behaviour, allowed: float
) -> Line:
    change = new.rate - old.rate
    detail = f"{what}: {new.passed} of {new.cases}, was {old.passed} of {old.cases}"
    return Line(
        "behaviour", subject, old.rate, new.rate, change, -allowed, change >= -allowed - 1e-12,
        detail,
    )  # fmt: skip


def _together(tests: Sequence[Behaviour]) -> Behaviour:
    cases, passed = sum(test.cases for test in tests), sum(test.passed for test in tests)
    return Behaviour("all tests", "all kinds", cases, passed)


def compare_latency(champion_ms: float, challenger_ms: float, bounds: Bounds) -> Line:
    """The line on speed, from median milliseconds a text."""
    ratio = challenger_ms / champion_ms
    detail = "median ms a text, one thread, interleaved"
    return Line("latency", "INT8, ms a text", champion_ms, challenger_ms, ratio, bounds.latency,
                ratio <= bounds.latency, detail)  # fmt: skip


def tasks_lacking(champion: Sequence[str], challenger: Sequence[str]) -> list[Line]:
    """A failing line for each task that the champion answers and the challenger does not."""
    detail = "the champion answers this task, the challenger lacks it: nothing else was compared"
    return [Line("tasks", task, detail=detail) for task in champion if task not in challenger]
