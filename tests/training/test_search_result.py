"""Which trial of a search becomes the model."""

from pathlib import Path
from typing import Any

import pytest
from ray.tune import Checkpoint

from barometer.errors import ModelError
from training.search.outcome import Outcome
from training.search.result import first_exportable


def outcome(trial: int, kept: Path | None) -> Outcome:
    checkpoint = None if kept is None else Checkpoint.from_directory(str(kept))
    return Outcome(trial, "finished", 1, 0.5, 1, {}, str(trial), checkpoint=checkpoint)


def export_only(*good: int) -> Any:
    def export(found: Outcome) -> dict[str, Any]:
        if found.trial not in good:
            raise ModelError(f"INT8 loses too much of trial {found.trial}.")
        return {"trial": found.trial}

    return export


def test_trial_that_does_not_stand_quantisation_is_passed_over_and_named(tmp_path: Path) -> None:
    outcomes = [outcome(4, tmp_path), outcome(2, None), outcome(1, tmp_path), outcome(3, tmp_path)]
    said: list[str] = []
    chosen, metrics = first_exportable(outcomes, export_only(1, 3), said.append)
    assert (chosen.trial, metrics) == (1, {"trial": 1})
    assert said == ["trial 4 is passed over for trial 1: INT8 loses too much of trial 4."]


def test_search_without_an_exportable_trial_says_why(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="too much of trial 2"):
        first_exportable([outcome(1, tmp_path), outcome(2, tmp_path)], export_only(), print)
    with pytest.raises(ModelError, match="kept no checkpoint"):
        first_exportable([outcome(1, None)], export_only(1), print)
