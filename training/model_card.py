"""The model card that travels in a model folder."""

from pathlib import Path
from typing import Any

CARD = """---
license: apache-2.0
language: en
pipeline_tag: text-classification
---
# {name}

One encoder, nine logits: six emotions (sadness, joy, love, anger, fear, surprise) and three
sentiments (negative, neutral, positive), each group with its own softmax. INT8 ONNX, {size:.1f} MB.

| measured on the INT8 file | rows | accuracy | macro-F1 | calibration error |
|---|---:|---:|---:|---:|
{rows}

- **Trained from** {base}, on `emotion` (Saravia et al. 2018, CARER; for research and education)
  and three-class tweets (Tweet Sentiment Extraction, CC BY 4.0). Neither is part of this folder.
- **Use** for aggregate mood of English posts. Emotion rows are first-person sentences of 2018
  and older; sarcasm, other languages and neutral reporting are read poorly: there is no neutral
  emotion, so watch the confidence and the sentiment beside it.
- **Do not use** to judge a person: a single post's label is wrong about one time in fourteen
  on its own domain, and more often elsewhere.
- **Choices** were made on validation rows; test rows were measured once, at the end.
"""


def write_card(folder: Path, name: str, base: str, figures: dict[str, Any]) -> None:
    """Write the card as `README.md` from the figures of `metrics.json`."""
    rows = "\n".join(
        f"| {task}, {split} | {m['rows']} | {m['accuracy']:.3f} | {m['macro_f1']:.3f} "
        f"| {m['expected_calibration_error']:.3f} |"
        for split, tasks in figures.items()
        for task, m in tasks.items()
    )
    size = (folder / "model.onnx").stat().st_size / 1e6
    text = CARD.format(name=name, size=size, rows=rows, base=base)
    (folder / "README.md").write_text(text)
