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
from pydantic import BaseModel, ConfigDict, Field

from barometer.errors import RefusedError
from barometer.labels import TASKS
from training.behaviour import Behaviour
from training.comparison import class_changes, holm, mcnemar, paired_bootstrap

Ints = npt.NDArray[np.integer[Any]]


class Bounds(BaseModel):
    """How much worse a challenger may be, and how sure the gate must be."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    level: float = Field(0.95, gt=0.5, lt=1)
    """Of every one-sided bound; 1 - level is the error of the tests, shared out where many are
    looked at together (classes: Bonferroni, "better on at least one": Holm)."""
    accuracy: float = Field(0.02, ge=0)
    """The lower bound of the difference in accuracy may not lie below minus this, on 1,000 rows.
    Where 6 % of the rows change sides (two runs on emotion) the bound lies 1.3 points below the
    difference itself, where 12 % do (sentiment) 1.8: so an observed loss of 0.7 or 0.2 points is
    the most that passes, and a model that is truly 2 points worse passes one time in twenty."""
    macro_f1: float = Field(0.03, ge=0)
    """The same for macro-F1, which a class of 36 rows makes half as wide again."""
    rows: int = Field(1000, ge=1)
    """Rows that the two margins are meant for; with n fewer, they widen by sqrt(rows / n) as the
    intervals do, so that the chance to pass stays the same."""
    fewest_rows: int = Field(50, ge=1)
    """Live rows of a task below this are not judged."""
    behaviour: float = Field(0.05, ge=0, le=1)
    """How much lower the pass rate of a behavioural test may be."""
    latency: float = Field(1.10, ge=1)
    """Highest ratio of the median times."""
    resamples: int = Field(5000, ge=2000)
    """Of the paired bootstrap."""


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

    @property
    def subject(self) -> str:
        """How the report calls it."""
        return f"{self.task}, {self.rows}"


def compare_answers(answers: Sequence[Answers], bounds: Bounds) -> list[Line]:
    """Lines on accuracy, macro-F1 and each class, and whether any figure is better."""
    judged = [a for a in answers if a.rows != "live" or len(a.truth) >= bounds.fewest_rows]
    alpha = (1 - bounds.level) / max(1, sum(len(TASKS[a.task]) for a in judged))
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
            detail = f"difference {d.point:+.4f}, lower bound held against the margin"
            note = f"{len(one.truth)} rows; {detail}" + (f"; {one.note}" if one.note else "")
            lines.append(Line(
                check, one.subject, d.champion, d.challenger, d.low, -margin * wider,
                d.low >= -margin * wider, note, (d.low, d.high),
            ))  # fmt: skip
        lines += _class_lines(one, alpha)
        before, after = one.champion == one.truth, one.challenger == one.truth
        p = mcnemar(int((after & ~before).sum()), int((before & ~after).sum()))
        gains += [
            (f"accuracy of {one.subject}", p),
            (f"macro_f1 of {one.subject}", found["macro_f1"].p_better),
        ]
    return [*lines, _better_line(gains, bounds)]


def _class_lines(answers: Answers, alpha: float) -> list[Line]:
    names = TASKS[answers.task]
    changes = class_changes(
        answers.truth, answers.champion, answers.challenger, len(names), alpha=alpha
    )
    return [
        Line(
            "class recall", f"{name}, {answers.rows}", c.champion, c.challenger,
            c.challenger - c.champion, c.allowed, not c.worse,
            f"{c.rows} rows, {c.gained} gained, {c.lost} lost, p = {c.p_worse:.2g}",
            (c.low, c.high),
        )
        for name, c in zip(names, changes, strict=True) if c.rows
    ]  # fmt: skip


def _better_line(gains: list[tuple[str, float]], bounds: Bounds) -> Line:
    adjusted = holm([p for _, p in gains])
    best = min(range(len(gains)), key=adjusted.__getitem__, default=None)
    if best is None:
        return Line("better", "at least one", passed=False, detail="no rows")
    best = min((i for i in range(len(gains)) if adjusted[i] == adjusted[best]),
               key=lambda i: gains[i][1])  # fmt: skip
    passed = adjusted[best] <= 1 - bounds.level
    what = f"best: {gains[best][0]}, p = {gains[best][1]:.2g} (Holm over {len(gains)})"
    return Line(
        "better", "at least one", None, None, adjusted[best], 1 - bounds.level, passed, what
    )


def compare_behaviour(
    champion: Sequence[Behaviour], challenger: Sequence[Behaviour], bounds: Bounds
) -> list[Line]:
    """A line for each behavioural test: its pass rate may fall by the bound and no more."""
    lines = []
    for old, new in zip(champion, challenger, strict=True):
        before, after = old.rate, new.rate
        lines.append(Line(
            "behaviour", f"{new.name} ({new.kind})", before, after, after - before,
            -bounds.behaviour, after - before >= -bounds.behaviour - 1e-12,
            f"{new.passed} of {new.cases}, was {old.passed} of {old.cases}",
        ))  # fmt: skip
    return lines


def compare_latency(champion_ms: float, challenger_ms: float, bounds: Bounds) -> Line:
    """The line on speed, from median milliseconds a text."""
    ratio = challenger_ms / champion_ms
    detail = "median ms a text, one thread, interleaved"
    return Line("latency", "INT8, ms a text", champion_ms, challenger_ms, ratio, bounds.latency,
                ratio <= bounds.latency, detail)  # fmt: skip
