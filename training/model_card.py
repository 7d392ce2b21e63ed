"""The model card that travels in a model folder."""

from pathlib import Path
from typing import Any

from barometer.labels import TASKS

CARD = """---
language: en
pipeline_tag: text-classification
---
# {name}

{answers} INT8 ONNX, {size:.1f} MB.

| measured on the INT8 file | rows | accuracy | macro-F1 | calibration error |
|---|---:|---:|---:|---:|
{rows}

- {origin}
- **Use** for the aggregate mood of posts like those rows. {neutral}Sarcasm and other languages are
  read poorly.
- **Do not use** to judge a person: of single posts, {wrong:.0%} get a wrong {task} even on
  the {split} rows, and more elsewhere.
- **Choices** were made on validation rows; test rows are measured once, at the end, if at all.
"""


NO_NEUTRAL = """There is no neutral emotion, so a
  matter-of-fact post still gets one: watch the confidence, and the sentiment beside it. """


def write_card(folder: Path, name: str, notes: dict[str, Any], figures: dict[str, Any]) -> None:
    """Write the card as `README.md` from the figures of `metrics.json` and the training notes."""
    rows = "\n".join(
        f"| {task}, {split} | {m['rows']} | {m['accuracy']:.3f} | {m['macro_f1']:.3f} "
        f"| {m['expected_calibration_error']:.3f} |"
        for split, tasks in figures.items()
        for task, m in tasks.items()
    )
    last = list(figures)[-1]
    task = next(iter(figures[last]))
    text = CARD.format(
        name=name,
        size=(folder / "model.onnx").stat().st_size / 1e6,
        rows=rows,
        answers=_answers(list(figures[last])),
        origin=_brought_in(notes) if "label_map" in notes else _trained(notes),
        neutral=NO_NEUTRAL if "emotion" in figures[last] else "",
        split=last,
        task=task,
        wrong=1 - figures[last][task]["accuracy"],
    )
    (folder / "README.md").write_text(text)


def _answers(tasks: list[str]) -> str:
    groups = [f"{task} ({', '.join(TASKS[task])})" for task in tasks]
    lacking = [f" It has no {task}, and answers null there." for task in TASKS if task not in tasks]
    return f"One encoder, a softmax a task: {' and '.join(groups)}.{''.join(lacking)}"


def _trained(notes: dict[str, Any]) -> str:
    counts = notes["train_rows"]
    data = " and ".join(
        f"`{where}` ({counts[task]:,} {task} rows)" for task, where in notes["data"].items()
    )
    return (
        f"**Trained from** `{notes['base_model']}` on {data}. The rows are no part of this folder; "
        "their\n  licences bind what is done with the model, and so does the encoder's."
    )


def _brought_in(notes: dict[str, Any]) -> str:
    lines = "".join(
        f"\n  - {theirs}: {'left out' if own is None else own}"
        for theirs, own in notes["label_map"].items()
    )
    return (
        f"**Brought in from** `{notes['brought_in_from']}`, whose own card and licence say what it "
        f"learnt and\n  what may be done with it. Its labels were read as{lines}"
    )
