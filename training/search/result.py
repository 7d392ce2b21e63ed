"""What a search leaves: its best checkpoint, a table and a picture of its trials."""

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from barometer.errors import ModelError
from training.data import TaskData
from training.finetune import STATE
from training.notes import NOTES, training_notes
from training.search.outcome import Outcome
from training.search.plan import Plan
from training.search.plot import plot_trials
from training.search.runs import SearchRuns
from training.search.space import recipe_of
from training.source import GIT


def first_exportable(
    outcomes: Sequence[Outcome],
    export: Callable[[Outcome], dict[str, Any]],
    say: Callable[[str], None],
) -> tuple[Outcome, dict[str, Any]]:
    """Export the best trial; where INT8 makes another model of it, the next best, and so on.

    Half-trained models, as a quick search makes them, often do not stand quantisation.

    Returns:
        The trial that was exported, and what `export` gave for it.

    Raises:
        ModelError: none can be exported; says why of the last.
    """
    able = [outcome for outcome in outcomes if outcome.checkpoint is not None]
    for place, outcome in enumerate(able, start=1):
        try:
            return outcome, export(outcome)
        except ModelError as error:
            if place == len(able):
                raise
            say(f"trial {outcome.trial} is passed over for trial {able[place].trial}: {error}")
    raise ModelError("the search kept no checkpoint: resume it.")


def keep_checkpoint(
    outcome: Outcome,
    plan: Plan,
    data: dict[str, TaskData],
    checkpoint: Path,
    seconds: int,
    git: dict[str, Any],
) -> None:
    """Copy a trial's best checkpoint to `checkpoint`, with the notes that `package` reads.

    Args:
        outcome: A trial that kept one.
        plan: What was searched.
        data: The rows.
        checkpoint: Replaced if it exists.
        seconds: Wall time; of a resumed search, since it was resumed.
        git: The code that trained it, as `git_state` tells it.
    """
    if outcome.checkpoint is None or outcome.best_epoch is None:
        raise ModelError("the search kept no checkpoint: resume it.")
    if checkpoint.exists():
        shutil.rmtree(checkpoint)
    outcome.checkpoint.to_directory(str(checkpoint))
    (checkpoint / STATE).unlink()  # three times the model's size, and nothing goes on from it
    recipe = recipe_of(outcome.config, plan.seed)
    search = {"run_id": plan.run_id, "scheduler": plan.scheduler, "trials": plan.trials}
    more = {"search": search, GIT: git}
    notes = training_notes(plan.origin, data, recipe, outcome.best_epoch, seconds, **more)
    (checkpoint / NOTES).write_text(json.dumps(notes, indent=2) + "\n")


def log_result(
    runs: SearchRuns, outcomes: Sequence[Outcome], best: Outcome, version: str | None
) -> None:
    """Log `best`'s configuration, `trials.json` and `trials.png` to the search's run."""
    runs.log_best({f"best.{name}": value for name, value in best.config.items()}, best.score or 0.0)
    if version is not None:
        runs.tag("model_version", version)
    with tempfile.TemporaryDirectory() as scratch:
        table, picture = Path(scratch) / "trials.json", Path(scratch) / "trials.png"
        table.write_text(json.dumps(trial_rows(outcomes), indent=2) + "\n")
        curves = {outcome.trial: runs.scores(outcome.trial_id) for outcome in outcomes}
        plot_trials(curves, best.trial, picture)
        runs.log_files([table, picture])


def trial_rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The trials as JSON takes them, the best first."""
    shown = ("trial", "score", "best_epoch", "epochs", "state", "error")
    return [
        {name: getattr(outcome, name) for name in shown} | {"config": dict(outcome.config)}
        for outcome in outcomes
    ]
