"""What the rows are: class balance, lengths and duplicates, as figures and as a picture."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from barometer.labels import TASKS
from barometer.text import fingerprint
from training.data import Rows, TaskData
from training.permission import told

INK, COLOURS = "#1f2933", {"train": "#3b6ea5", "validation": "#e08e45", "test": "#7a9e7e",
                           "release": "#a05195"}  # fmt: skip


def data_report(data: dict[str, TaskData]) -> dict[str, Any]:
    """A task's splits in figures: rows and share a class, words a text, texts that repeat."""
    return {
        task: {
            "sha256": splits.digest(),
            "release_sha256": splits.release_digest(),
            "dropped_from_train": splits.dropped,
            "forbidden": splits.forbidden,
            "splits": {name: _split(task, getattr(splits, name)) for name in COLOURS},
        }
        for task, splits in data.items()
    }


def write_data_report(data: dict[str, TaskData], folder: Path) -> dict[str, Any]:
    """Write `data.json`, `data.md` and `data.png` into `folder`; return the figures."""
    report = data_report(data)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.json").write_text(json.dumps(report, indent=2) + "\n")
    (folder / "data.md").write_text(_markdown(report))
    _picture(report, data).savefig(folder / "data.png", dpi=130)
    return report


def data_table(report: dict[str, Any]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Columns and rows of the table that `train` prints before it begins."""
    columns = ("task", *COLOURS, "left out", "rarest")
    rows = []
    for task, figures in report.items():
        train = figures["splits"]["train"]
        rarest = min(train["classes"], key=lambda name: train["classes"][name]["rows"])
        rows.append((
            task, *(figures["splits"][split]["rows"] for split in COLOURS),
            figures["dropped_from_train"],
            f"{rarest} {train['classes'][rarest]['share']:.1%}",
        ))  # fmt: skip
    return columns, rows


def _words(split: dict[str, Any]) -> str:
    words = split["words"]
    return f"{words['median']:.0f} ({words['p5']:.0f} to {words['p95']:.0f})"


def _split(task: str, rows: Rows) -> dict[str, Any]:
    counts = Counter(rows.labels)
    words = np.array([len(text.split()) for text in rows.texts])
    marks = Counter(fingerprint(text) for text in rows.texts)
    p5, median, p95 = np.percentile(words, [5, 50, 95])
    return {
        "rows": len(rows),
        "classes": {
            name: {"rows": counts[i], "share": round(counts[i] / len(rows), 4)}
            for i, name in enumerate(TASKS[task])
        },
        "words": {"p5": float(p5), "median": float(median), "p95": float(p95)},
        "repeated_texts": sum(count - 1 for count in marks.values()),
    }


def _markdown(report: dict[str, Any]) -> str:
    lines = ["# The rows"]
    for task, figures in report.items():
        names = TASKS[task]
        lines += [
            "",
            f"## {task}",
            "",
            "| split | rows | " + " | ".join(names) + " | words | repeated texts |",
            "|---|---:|" + "---:|" * (len(names) + 2),
        ]
        for name, split in figures["splits"].items():
            counts = " | ".join(
                f"{c['rows']:,} ({c['share']:.1%})" for c in split["classes"].values()
            )
            lines.append(
                f"| {name} | {split['rows']:,} | {counts} | {_words(split)} "
                f"| {split['repeated_texts']} |"
            )
        lines += [
            "",
            f"SHA-256 `{figures['sha256']}`, of the release split `{figures['release_sha256']}`.",
            f"Left out of train, as another split has the text: {figures['dropped_from_train']}.",
        ]
        if figures["forbidden"]:
            lines.append(f"{told(figures['forbidden'])}.")
    lines += ["", "Words: median (5th to 95th percentile). The release split is the gate's alone."]
    return "\n".join(lines) + "\n"


def _picture(report: dict[str, Any], data: dict[str, TaskData]) -> Figure:
    figure = Figure(figsize=(11, 3.6 * len(report)), layout="constrained")
    grid = figure.subplots(len(report), 2, squeeze=False, width_ratios=[3, 2])
    for (task, figures), (balance, lengths) in zip(report.items(), grid, strict=True):
        names = TASKS[task]
        width = 0.8 / len(COLOURS)
        for place, (split, colour) in enumerate(COLOURS.items()):
            shares = [100 * c["share"] for c in figures["splits"][split]["classes"].values()]
            at = np.arange(len(names)) + (place - (len(COLOURS) - 1) / 2) * width
            label = f"{split} ({figures['splits'][split]['rows']:,})"
            balance.bar(at, shares, width * 0.92, color=colour, label=label)
        balance.set_xticks(range(len(names)), names)
        balance.set_ylabel("% of the split's rows")
        balance.set_title(f"{task}: rows a class", loc="left", color=INK)
        balance.legend(frameon=False, fontsize=8)
        words = [len(text.split()) for text in data[task].train.texts]
        lengths.hist(words, bins=range(0, max(words) + 3, 2), color=COLOURS["train"])
        lengths.set_title("words a training text", loc="left", color=INK)
        lengths.set_ylabel("rows")
        for axes in (balance, lengths):
            axes.spines[["top", "right"]].set_visible(False)
    return figure
