"""The shares of emotions as a pie chart that stays readable in a report."""

import base64
import io
from collections.abc import Sequence
from typing import Final

COLOURS: Final = {
    "sadness": "#3b6fb6",
    "joy": "#e0a100",
    "love": "#d1478f",
    "anger": "#c8402f",
    "fear": "#7a55b5",
    "surprise": "#189a94",
}


def pie_png(keyword: str, shares: Sequence[tuple[str, float | None]], posts: int) -> str:
    """A ring of the shares (label, per cent), largest first, as base64 PNG of 900 by 600 pixels."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow, and few ask for a plot

    figure = Figure(figsize=(9, 6), dpi=100, facecolor="white")
    axes = figure.add_axes((0.02, 0.04, 0.58, 0.80))
    shown = sorted(((name, part) for name, part in shares if part), key=lambda share: -share[1])
    wedges, _ = axes.pie(
        [percent for _, percent in shown] or [1],
        colors=[COLOURS[label] for label, _ in shown] or ["#d9dde3"],
        startangle=90,
        counterclock=False,
        wedgeprops={"width": 0.42, "edgecolor": "white", "linewidth": 2},
    )[:2]
    axes.text(0, 0.06, f"{posts:,}", ha="center", va="center", fontsize=26, fontweight="bold")
    axes.text(
        0, -0.16, "post" if posts == 1 else "posts", ha="center", va="center", color="#5a6472"
    )
    # Untrusted text: a lone $ would start matplotlib's formula parser.
    figure.text(
        0.04,
        0.91,
        f"Emotions in posts about “{_short(keyword)}”",
        fontsize=17,
        fontweight="bold",
        parse_math=False,
    )
    if shown:
        axes_legend = figure.legend(
            wedges,
            [f"{label}  {percent:.1f} %" for label, percent in shown],
            loc="center left",
            bbox_to_anchor=(0.63, 0.46),
            frameon=False,
            fontsize=15,
            labelspacing=0.9,
        )
        axes_legend.set_in_layout(False)
    else:
        why = "Nothing told\nemotions" if posts else "No posts found"
        figure.text(0.64, 0.44, why, fontsize=15, color="#5a6472")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def _short(keyword: str) -> str:
    return keyword if len(keyword) <= 40 else keyword[:39] + "…"
