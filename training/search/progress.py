"""A search as it goes on, for the terminal and for MLflow: what Ray tells of its trials."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from training.search.runs import SearchRuns

Advance = Callable[[int, int, float | None], None]
"""Called with the epochs done, the epochs in all at most, and the best score so far."""


@dataclass(frozen=True)
class Listener:
    """Who is told."""

    advance: Advance
    say: Callable[[str], None]
    """Takes one line for each trial that ended."""
    runs: SearchRuns
    trials: int
    epochs: int
    """Most of a trial."""


OVER = (Trial.TERMINATED, Trial.ERROR)
LISTENER: ContextVar[Listener] = ContextVar("listener")
"""Set around a search: Ray pickles its callbacks, so they can hold neither bar nor connection."""


class SearchProgress(Callback):
    """Passes Ray's events on; without a state of its own, so a resumed search needs none."""

    def on_trial_result(  # a callback's signature is Ray's
        self,
        iteration: int,  # noqa: ARG002
        trials: list[Trial],
        trial: Trial,  # noqa: ARG002
        result: dict[str, Any],  # noqa: ARG002
        **_: Any,
    ) -> None:
        """An epoch is done."""
        _advance(trials)

    def on_trial_complete(
        self,
        iteration: int,  # noqa: ARG002
        trials: list[Trial],
        trial: Trial,
        **_: Any,
    ) -> None:
        """A trial is done, or the scheduler has stopped it."""
        whole = epochs_of(trial) >= trial.config["epochs"]
        _end(trial, "FINISHED" if whole else "KILLED", "finished" if whole else "stopped")
        _advance(trials)

    def on_trial_error(
        self,
        iteration: int,  # noqa: ARG002
        trials: list[Trial],
        trial: Trial,
        **_: Any,
    ) -> None:
        """A trial has failed."""
        _end(trial, "FAILED", "failed")
        _advance(trials)


def epochs_of(trial: Trial) -> int:
    """Epochs that a trial has done."""
    return int((trial.last_result or {}).get("epoch", 0))


def _end(trial: Trial, status: str, word: str) -> None:
    listener = LISTENER.get()
    listener.runs.end_trial(trial.trial_id, status)
    best = _best(trial)
    score = "" if best is None else f"  best score {best:.4f}"
    listener.say(f"trial {number(trial.trial_id)} {word} after epoch {epochs_of(trial)}{score}")


def _advance(trials: Sequence[Trial]) -> None:
    listener = LISTENER.get()
    done = [epochs_of(trial) for trial in trials]
    most = [
        epochs if trial.status in OVER else trial.config["epochs"]
        for trial, epochs in zip(trials, done, strict=True)
    ]
    unborn = max(0, listener.trials - len(trials)) * listener.epochs
    scores = [score for trial in trials if (score := _best(trial)) is not None]
    listener.advance(sum(done), sum(most) + unborn, max(scores, default=None))


def number(trial_id: str) -> int:
    """A trial's number, from 1, in the order of their making."""
    return int(trial_id.rpartition("_")[2]) + 1


def _best(trial: Trial) -> float | None:
    known = trial.metric_analysis or {}
    return float(known["score"]["max"]) if "score" in known else None
