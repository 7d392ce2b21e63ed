"""What an adaptation gained and cost, on a terminal."""

from pathlib import Path
from typing import Any

from barometer.console import print_line, print_table
from training.permission import told


def show(record: dict[str, Any], target: Path) -> None:
    """Print the record of `adapt`: gains on the new rows, costs on the old ones, what was left out.

    Args:
        record: as `training.adaptation.adapt.adapt` returns it.
        target: the folder written.
    """
    gains = [
        (task, one["rows_learnt"], one[when]["rows"], when, _interval(one[when]["accuracy"]),
         _interval(one[when]["macro_f1"]), one[when]["calibration_error"])
        for task, one in record["tasks"].items()
        for when in ("before", "after")
    ]  # fmt: skip
    titles = ("task", "learnt", "measured", "model", "accuracy (95 %)", "macro-F1 (95 %)",
              "calibration error")  # fmt: skip
    print_table("New rows, later than all that were learnt", titles, gains)
    costs = [
        (task, one[when]["rows"], when, one[when]["accuracy"], one[when]["macro_f1"],
         one[when]["expected_calibration_error"])
        for task, one in record["cost"].items()
        for when in ("before", "after")
    ]  # fmt: skip
    if costs:
        columns = ("task", "rows", "model", "accuracy", "macro-F1", "calibration error")
        print_table("What it costs: old validation rows", columns, costs)
    for task in ("emotion", "sentiment"):
        if task not in record["cost"]:
            print_line(
                f"cost on {task} not measured: BAROMETER_{task.upper()}_DATA names no folder here"
            )
    print_line(f"replayed old rows: {record['replayed']}")
    print_line(
        f"left out: {record['rows_unlabelled']} rows without label or text, "
        f"{record['rows_repeated']} learning rows that a measured row repeats"
    )
    if record["rows_forbidden"]:
        print_line(told(record["rows_forbidden"]))
    print_line(f"wrote {target} in {record['seconds']} s")


def _interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.4f} ({figure['low']:.3f} to {figure['high']:.3f})"
