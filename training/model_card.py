"""The model card that travels in a model folder."""

from pathlib import Path
from typing import Any

CARD = """---
language: en
pipeline_tag: text-classification
---
# {name}

One encoder, nine logits: six emotions (sadness, joy, love, anger, fear, surprise) and three
sentiments (negative, neutral, positive), each group with its own softmax. INT8 ONNX, {size:.1f} MB.

| measured on the INT8 file | rows | accuracy | macro-F1 | calibration error |
|---|---:|---:|---:|---:|
{rows}

- **Trained from** `{base}` on {data}. The rows are no part of this folder; their licences bind
  what is done with the model, and so does the encoder's.
- **Use** for the aggregate mood of posts like those rows. There is no neutral emotion, so a
  matter-of-fact post still gets one: watch the confidence, and the sentiment beside it. Sarcasm
  and other languages are read poorly.
- **Do not use** to judge a person: of single posts, {wrong:.0%} get a wrong emotion even on
  {split} rows like those it learnt from, and more elsewhere.
- **Choices** were made on validation rows; test rows are measured once, at the end, if at all.
"""


def write_card(folder: Path, name: str, notes: dict[str, Any], figures: dict[str, Any]) -> None:
    """Write the card as `README.md` from the figures of `metrics.json` and the training notes."""
    rows = "\n".join(
        f"| {task}, {split} | {m['rows']} | {m['accuracy']:.3f} | {m['macro_f1']:.3f} "
        f"| {m['expected_calibration_error']:.3f} |"
        for split, tasks in figures.items()
        for task, m in tasks.items()
    )
    last = list(figures)[-1]
    counts = notes["train_rows"]
    data = " and ".join(
        f"`{where}` ({counts[task]:,} {task} rows)" for task, where in notes["data"].items()
    )
    text = CARD.format(
        name=name,
        size=(folder / "model.onnx").stat().st_size / 1e6,
        rows=rows,
        base=notes["base_model"],
        data=data,
        split=last,
        wrong=1 - figures[last]["emotion"]["accuracy"],
    )
    (folder / "README.md").write_text(text)
