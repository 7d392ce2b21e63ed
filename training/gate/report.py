"""The gate's report: for a terminal, for machines, for MLflow's page, and as a picture."""

import json
from pathlib import Path
from typing import Any, Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from barometer.console import print_line
from training.gate.decision import Decision, Line

COLUMNS: Final = (
    "gate", "check", "on", "champion", "challenger", "measured", "bound", "detail",
)  # fmt: skip
AT_MOST: Final = ("better", "latency")
"""Checks whose measured value must not be above the bound; of the others, not below."""
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
INK: Final = "#22262B"
QUIET: Final = "#8A9099"


def as_json(decision: Decision) -> dict[str, Any]:
    """The decision for machines."""
    return {
        "challenger": decision.challenger,
        "champion": decision.champion,
        "passed": decision.passed,
        "dry_run": decision.dry_run,
        "to": decision.to,
        "bounds": decision.bounds.model_dump(),
        "lines": [vars(line) for line in decision.lines],
    }


def verdict(decision: Decision) -> str:
    """One sentence."""
    failed = [line for line in decision.lines if not line.passed]
    pair = f"version {decision.challenger} against champion {decision.champion}"
    if failed:
        return f"{pair}: refused, {len(failed)} of {len(decision.lines)} lines fail"
    return f"{pair}: passed, all {len(decision.lines)} lines"


def print_report(decision: Decision) -> None:
    """The lines, aligned, however wide the terminal is; then the verdict."""
    rows = [COLUMNS, *map(_cells, decision.lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print_line("  ".join(cells).rstrip())
    print_line(verdict(decision))
    if decision.passed:
        place = "champion" if decision.to == "production" else f"in {decision.to}"
        done = f"would be {place}" if decision.dry_run else f"is {place} now"
        print_line(f"version {decision.challenger} {done}")


def write_report(decision: Decision, folder: Path) -> None:
    """Write `report.json`, `report.md` and `report.png` into `folder`."""
    (folder / "report.json").write_text(json.dumps(as_json(decision), indent=2) + "\n")
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(_cells, decision.lines)]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    (folder / "report.md").write_text(f"# Gate\n\n{verdict(decision)}.\n\n{table}\n")
    forest_plot(decision).savefig(folder / "report.png")


def forest_plot(decision: Decision) -> Figure:
    """Differences of challenger and champion in points, with their intervals and bounds.

    A line passes where the lower end of its interval, or for a class its dot, is not left of its
    bound; a class also where precision has paid for recall.
    """
    lines = [line for line in decision.lines if line.interval is not None]
    figure = Figure(figsize=(8.2, 1.7 + 0.3 * len(lines)), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.axvline(0, color=INK, linewidth=1)
    for place, line in enumerate(lines):
        _draw(axes, place, line)
    axes.set_yticks(range(len(lines)), [f"{_words(line.check)}: {line.subject}" for line in lines])
    axes.set_ylim(len(lines) - 0.4, -0.6)
    for place in range(1, len(lines)):
        if (lines[place].check == "class recall") != (lines[place - 1].check == "class recall"):
            axes.axhline(place - 0.5, color=QUIET, linewidth=0.6)
    axes.margins(x=0.16)
    axes.grid(axis="x", color=QUIET, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=9)
    axes.tick_params(axis="x", color=QUIET, labelcolor=INK)
    axes.set_xlabel("challenger minus champion, points", color=INK)
    axes.plot([], [], "o-", color=BLUE, label="difference and interval, passes")
    axes.plot([], [], "o-", color=VERMILION, label="fails")
    axes.plot([], [], "|", color=INK, markersize=11, markeredgewidth=2, label="bound")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9, labelcolor=INK)
    axes.set_title(verdict(decision), loc="left", color=INK, fontsize=10, pad=10, x=0)
    return figure


def _draw(axes: Any, place: int, line: Line) -> None:
    colour = BLUE if line.passed else VERMILION
    low, high = (100 * end for end in line.interval or (0.0, 0.0))
    point = 100 * ((line.challenger or 0) - (line.champion or 0))
    axes.plot(100 * (line.bound or 0), place, "|", color=INK, markersize=11, markeredgewidth=2)
    axes.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
    axes.plot(point, place, "o", color=colour, markersize=6, markeredgecolor="white")
    axes.text(1.01, place, f"{point:+.1f}", transform=axes.get_yaxis_transform(), va="center",
              fontsize=9, color=colour)  # fmt: skip


def _cells(line: Line) -> tuple[str, ...]:
    sign = "<=" if line.check in AT_MOST else ">="
    bound = "-" if line.bound is None else f"{sign} {line.bound:.4f}"
    numbers = [
        "-" if n is None else f"{n:.4f}" for n in (line.champion, line.challenger, line.measured)
    ]
    result = "pass" if line.passed else "FAIL"
    return (result, _words(line.check), line.subject, *numbers, bound, line.detail)


def _words(check: str) -> str:
    return check.replace("macro_f1", "macro-F1")
