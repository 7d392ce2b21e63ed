"""Rows that a small model can learn, and a small encoder to learn them: shared by this room."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import DistilBertConfig, DistilBertModel, DistilBertTokenizerFast

WORDS = {
    "emotion": ["cry", "laugh", "kiss", "rage", "dread", "gasp"],
    "sentiment": ["awful", "table", "great"],
}
FILLERS = ["i", "feel", "today", "we", "all", "the", "so", "really", "then", "again"]


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows that a small model can learn: each label has its own word."""
    folder = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(5)
    for task, words in WORDS.items():
        (folder / task).mkdir()
        for split, count in (("train", 360), ("validation", 90), ("test", 60)):
            lines = []
            for number in range(count):
                label = int(rng.integers(len(words)))
                filler = " ".join(rng.choice(FILLERS, int(rng.integers(2, 9))))
                text = f"{filler} {words[label]} {split}{number}"
                lines.append(json.dumps({"text": text, "label": label}) + "\n")
            (folder / task / f"{split}.jsonl").write_text("".join(lines))
    return folder


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DistilBERT of two small layers with random weights and a vocabulary of its own."""
    folder = tmp_path_factory.mktemp("base")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [*special, *FILLERS, *WORDS["emotion"], *WORDS["sentiment"]]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    DistilBertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(1)
    config = DistilBertConfig(
        vocab_size=len(vocabulary), dim=32, n_layers=2, n_heads=4, hidden_dim=64,
        max_position_embeddings=64,
    )  # fmt: skip
    DistilBertModel(config).save_pretrained(folder)
    return folder
