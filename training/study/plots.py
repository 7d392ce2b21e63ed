"""Pictures of a study: the confusion matrix and the reliability diagram, ready to save as PNG."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from inference.calibration import Floats
from training.study.intervals import Labels

# Vermilion is of Okabe and Ito (2008): beside blue it stands out for every kind of colour vision.
VERMILION: Final = "#D55E00"
PALE: Final = "#7DB4D8"
INK: Final = "#22262B"
QUIET: Final = "#8A9099"
DPI: Final = 160


def confusion_figure(table: Sequence[Sequence[int]], names: Sequence[str], title: str) -> Figure:
    """The share of each true class that got each label, with the counts; rows add up to 100 %.

    Args:
        table: (classes, classes) counts, a row a true class.
        names: the classes.
        title: stands above.
    """
    counts = np.asarray(table)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(names)
    figure = _figure(3.2 + 0.85 * size, 2.4 + 0.72 * size)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap=_blues(), vmin=0, vmax=1, aspect="auto")
    for row in range(size):
        for column in range(size):
            colour = "white" if shares[row, column] > 0.55 else INK
            if not counts[row, column]:
                colour = QUIET
            axes.text(column, row - 0.1, _percent(shares[row, column]), color=colour,
                      ha="center", va="center", fontsize=11)  # fmt: skip
            axes.text(column, row + 0.24, f"{counts[row, column]:,}", color=colour,
                      ha="center", va="center", fontsize=8)  # fmt: skip
    rows = [f"{name} ({total:,})" for name, total in zip(names, counts.sum(axis=1), strict=True)]
    axes.set_xticks(range(size), list(names))
    axes.set_yticks(range(size), rows)
    axes.set_xticks(np.arange(-0.5, size), minor=True)
    axes.set_yticks(np.arange(-0.5, size), minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("model says", color=INK, labelpad=8)
    axes.set_ylabel("true class (rows)", color=INK, labelpad=8)
    axes.set_title(title, loc="left", color=INK, fontsize=12, pad=12, parse_math=False)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02, format="{x:.0%}")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8, labelcolor=INK)
    return figure


def reliability_figure(calibration: dict[str, Any], title: str) -> Figure:
    """Accuracy by confidence, which the diagonal would match, over how many rows have it.

    Args:
        calibration: of `evaluation_report`: `bins`, `temperature`, `error_before`, `error_after`.
        title: stands above; the calibration errors are added.
    """
    bins = [entry for entry in calibration["bins"] if entry["rows"]]
    low = np.array([entry["low"] for entry in bins])
    width = np.array([entry["high"] for entry in bins]) - low
    confidence = np.array([entry["confidence"] for entry in bins])
    accuracy = np.array([entry["accuracy"] for entry in bins])
    rows = np.array([entry["rows"] for entry in bins])
    figure = _figure(6.4, 7.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.bar(low, accuracy, width, align="edge", color=PALE, edgecolor="white",
              label="accuracy of the bin")  # fmt: skip
    upper.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)),
               label="a confidence that means what it says")  # fmt: skip
    upper.errorbar(confidence, accuracy, _wilson(accuracy, rows), color=VERMILION, fmt="o",
                   markersize=5, elinewidth=1.3, capsize=3,
                   label="at its mean confidence, 95 % interval")  # fmt: skip
    upper.set_ylim(0, 1.02)
    upper.set_ylabel("accuracy", color=INK)
    errors = (
        f"ECE {calibration['error_after']:.3f} "
        f"({calibration['error_before']:.3f} before temperature {calibration['temperature']:.2f})"
    )
    upper.set_title(
        f"{title}\n{errors}", loc="left", color=INK, fontsize=12, pad=12, parse_math=False
    )
    drawn = lower.bar(low, rows, width, align="edge", color=QUIET, edgecolor="white")
    lower.bar_label(drawn, fmt="{:,.0f}", fontsize=7, color=INK, padding=2)
    lower.set_ylim(0, rows.max() * 1.18)
    lower.set_xlim(0, 1)
    lower.set_ylabel("rows", color=INK)
    lower.set_xlabel("confidence", color=INK)
    # Below all: within the axes an interval could run through it.
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9, labelcolor=INK)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(QUIET)
        axes.tick_params(color=QUIET, labelcolor=INK)
    return figure


def _figure(width: float, height: float) -> Figure:
    """A figure of `width` by `height` inches that needs no display and no global state."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _percent(share: float) -> str:
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def _wilson(share: Floats, rows: Labels) -> Floats:
    """(2, n) how far the 95 % interval of Wilson (1927) reaches below and above each share."""
    z = 1.96
    scale = 1 + z**2 / rows
    middle = (share + z**2 / (2 * rows)) / scale
    half = z / scale * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    # At shares of 0 and 1 rounding would leave a hair below zero, which matplotlib refuses.
    return np.stack([share - (middle - half), middle + half - share]).clip(min=0)


def _blues() -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("paper to blue", ["#F3F6F9", PALE, "#00558A"])
