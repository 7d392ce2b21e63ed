"""Small models that learn `tests.training.tiny_rows`: an encoder, and somebody's classifier."""

from pathlib import Path

import torch
from transformers import (
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertModel,
    DistilBertTokenizerFast,
)

from tests.training.tiny_rows import FILLERS, WORDS
from training.data import load_task

FOREIGN = ("GREAT", "AWFUL", "FINE")
"""The labels of `write_classifier`."""


def write_encoder(folder: Path) -> None:
    """A DistilBERT of two small layers with random weights and a vocabulary of its own."""
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


def write_classifier(folder: Path, base: Path, rows: Path) -> None:
    """The tiny DistilBERT as somebody else's classifier: three labels of its own, no notes.

    It has learnt to call negative rows AWFUL, neutral ones FINE and positive ones GREAT.
    """
    config = DistilBertConfig.from_pretrained(
        base, num_labels=3, id2label=dict(enumerate(FOREIGN)), max_position_embeddings=64
    )
    torch.manual_seed(2)
    model = DistilBertForSequenceClassification(config)
    tokenizer = DistilBertTokenizerFast.from_pretrained(base)
    train = load_task("sentiment", str(rows / "sentiment")).train
    inputs = tokenizer(train.texts, padding=True, return_tensors="pt")
    labels = torch.tensor([(1, 2, 0)[label] for label in train.labels])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(40):
        loss = model(**inputs, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
