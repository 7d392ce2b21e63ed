"""What the commands of this room print."""

from pathlib import Path
from typing import Any

from barometer.console import print_json, print_line, print_table
from training.data_report import data_table
from training.parity import Variant, parity_table
from training.permission import told


def show_metrics(metrics: dict[str, Any], *, as_json: bool) -> None:
    """Accuracy, macro-F1 and calibration error of every split measured; or all of it as JSON."""
    if as_json:
        print_json(metrics)
        return
    rows = [
        (split, task, m["rows"], m["accuracy"], m["macro_f1"], m["expected_calibration_error"])
        for split in ("validation", "test")
        for task, m in metrics.get(split, {}).items()
    ]
    columns = ("split", "task", "rows", "accuracy", "macro-F1", "calibration error")
    print_table("Measured on the INT8 file", columns, rows)


def show_data(report: dict[str, Any]) -> None:
    """The rows by task and split."""
    print_table("Rows", *data_table(report), to_people=True)
    for task, figures in report.items():
        if figures["forbidden"]:
            print_line(f"{task}: {told(figures['forbidden'])}", to_people=True)


def show_parity(variants: list[Variant]) -> None:
    """The export's three forms side by side."""
    print_table("Export", *parity_table(variants), to_people=True)


def tell_registered(target: Path, version: str | None) -> None:
    """The version that a folder became, if it was registered."""
    if version is not None:
        print_line(f"registered {target} as version {version}, alias challenger", to_people=True)
