"""The picture of a search: each trial's score over its epochs."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


def plot_trials(curves: Mapping[int, Mapping[int, float]], best: int, file: Path) -> None:
    """Write a PNG with a line a trial; the best one stands out.

    Args:
        curves: Score by epoch, by trial.
        best: The trial to highlight.
        file: Where the picture goes.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for trial, scores in sorted(curves.items(), key=lambda item: item[0] == best):
        epochs = sorted(scores)
        values = [scores[epoch] for epoch in epochs]
        if trial == best:
            axes.plot(epochs, values, "o-", color="#c2410c", lw=2.5)
        else:
            axes.plot(epochs, values, "o-", color="#94a3b8", lw=1, ms=4)
        if epochs:
            axes.annotate(
                str(trial), (epochs[-1], values[-1]), xytext=(6, 0),
                textcoords="offset points", va="center", fontsize=8, color="#475569",
            )  # fmt: skip
    axes.set(
        title=f"Trials of the search (the best: {best})",
        xlabel="epoch",
        ylabel="score on validation rows\n(mean of emotion macro-F1, sentiment accuracy)",
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=120)
