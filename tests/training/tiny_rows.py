"""Rows that a small model can learn: each label has its own word."""

import json
from pathlib import Path

import numpy as np

WORDS = {
    "emotion": ["cry", "laugh", "kiss", "rage", "dread", "gasp"],
    "sentiment": ["awful", "table", "great"],
}
FILLERS = ["i", "feel", "today", "we", "all", "the", "so", "really", "then", "again"]


def write_rows(folder: Path) -> None:
    """Both tasks' train, validation and test rows."""
    rng = np.random.default_rng(5)
    for task, words in WORDS.items():
        (folder / task).mkdir(parents=True)
        for split, count in (("train", 360), ("validation", 90), ("test", 60)):
            lines = []
            for number in range(count):
                label = int(rng.integers(len(words)))
                filler = " ".join(rng.choice(FILLERS, int(rng.integers(2, 9))))
                text = f"{filler} {words[label]} {split}{number}"
                lines.append(json.dumps({"text": text, "label": label}) + "\n")
            (folder / task / f"{split}.jsonl").write_text("".join(lines))
