"""Rows that a small model can learn, and a small encoder to learn them: shared by this room."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from transformers import DistilBertConfig, DistilBertModel, DistilBertTokenizerFast

from barometer.settings import Settings
from training.experiment import Audience, run_experiment
from training.finetune import Epoch
from training.origin import Origin
from training.recipe import Recipe

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


class Trained(NamedTuple):
    """What one training left behind, and what it told on its way."""

    settings: Settings
    folder: Path
    epochs: list[Epoch]
    steps: list[int]
    rows_told: Any
    variants: Any

    @property
    def checkpoint(self) -> Path:
        return self.settings.state / "checkpoints" / "tiny"


@pytest.fixture(scope="session")
def trained(rows: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    epochs: list[Epoch] = []
    steps: list[int] = []
    recipe = Recipe(epochs=6, learning_rate=3e-3, batch_size=16, max_tokens=32, warmup=0)
    settings = Settings(state_dir=folder / "state")
    told: list[object] = []
    audience = Audience(
        told.append, lambda done, *_: steps.append(done), epochs.append, told.append
    )
    origin = Origin(str(base), str(rows / "emotion"), str(rows / "sentiment"))
    run_experiment(settings, origin, recipe, folder / "tiny", audience, final=True)
    return Trained(settings, folder / "tiny", epochs, steps, *told)
