"""A study as tables on the terminal."""

from typing import Any

from barometer.console import print_line, print_table
from training.study.slices import FEWEST


def print_study(report: dict[str, Any]) -> None:
    """Print `evaluation_report`'s result: overall, classes, slices, behaviour."""
    _print_overall(report)
    _print_gains(report)
    _print_classes(report)
    _print_slices(report)
    _print_behaviour(report)


def _print_overall(report: dict[str, Any]) -> None:
    rows: list[tuple[Any, ...]] = []
    for task, study in report["tasks"].items():
        calibration = study["calibration"]
        error = f"{calibration['error_before']:.4f} -> {calibration['error_after']:.4f}"
        rows.append((
            task, report["model"], study["rows"], _spread(study, "accuracy"),
            _spread(study, "macro_f1"), f"{study['weighted_f1']:.4f}", error,
        ))  # fmt: skip
        rows += [
            (task, name, study["rows"], f"{m['accuracy']:.4f}", f"{m['macro_f1']:.4f}", None, None)
            for name, m in study["baselines"].items()
        ]
    columns = ("task", "model", "rows", "accuracy (95 % interval)", "macro-F1 (95 % interval)",
               "weighted F1", "ECE before -> after temperature")  # fmt: skip
    print_table(f"{report['model']} on the {report['split']} rows", columns, rows)
    if report["split"] == "validation":
        print_line("Temperatures were fitted on these rows, so their ECE after is at its best.")
    for task, study in report["tasks"].items():
        if not study["set_apart"]:
            print_line(
                f"{task}: {report['model']} does not note that it set these rows apart. It may "
                "have learnt from them, and then these figures are too good."
            )


def _print_gains(report: dict[str, Any]) -> None:
    rows = [
        (task, name, _gain(m["relative_gain"]["accuracy"]), _gain(m["relative_gain"]["macro_f1"]))
        for task, study in report["tasks"].items()
        for name, m in study["baselines"].items()
    ]
    columns = ("task", "over", "accuracy (95 % interval)", "macro-F1 (95 % interval)")
    print_table("Relative gain over the baselines: model / baseline - 1", columns, rows)


def _print_classes(report: dict[str, Any]) -> None:
    rows = [
        (task, name, m["precision"], m["recall"], m["f1"], m["rows"])
        for task, study in report["tasks"].items()
        for name, m in study["classes"].items()
    ]
    columns = ("task", "class", "precision", "recall", "F1", "rows")
    print_table("Classes", columns, rows)


def _print_slices(report: dict[str, Any]) -> None:
    rows = [
        (task, name, m["rows"], _spread(m, "accuracy"), _spread(m, "macro_f1"))
        for task, study in report["tasks"].items()
        for name, m in study["slices"].items()
    ]
    columns = ("task", "slice", "rows", "accuracy (95 % interval)", "macro-F1 (95 % interval)")
    print_table(f"Slices (no interval below {FEWEST} rows)", columns, rows)


def _print_behaviour(report: dict[str, Any]) -> None:
    rows = [
        (test["kind"], test["name"], test["cases"], test["passed"], f"{test['rate']:.1%}")
        for test in report["behaviour"]
    ]
    print_table("Behaviour", ("kind", "test", "cases", "passed", "rate"), rows)
    failing = [test for test in report["behaviour"] if test["failures"]]
    if failing:
        print_line("The first failing case of each test:")
    for test in failing:
        print_line(f"  {test['name']}: {test['failures'][0]}")


def _spread(study: dict[str, Any], figure: str) -> str:
    if study[figure] is None:
        return "no rows"
    if not study["intervals"]:
        return f"{study[figure]:.4f}"
    low, high = study["intervals"][figure]
    return f"{study[figure]:.4f} ({low:.4f} to {high:.4f})"


def _gain(gain: dict[str, Any]) -> str:
    low, high = gain["interval"]
    if None in (gain["gain"], low, high):
        return "no gain over nothing"
    return f"{gain['gain']:+.1%} ({low:+.1%} to {high:+.1%})"
