"""Encoded rows in random batches of similar length."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from barometer.labels import TASKS
from training.data import Rows
from training.losses import NO_LABEL


@dataclass(frozen=True)
class Encoded:
    """One training row as token ids; `place` is its index among its task's training rows."""

    ids: list[int]
    task: str
    label: int
    place: int


@dataclass(frozen=True)
class Batch:
    """Rows of one step, on the device that trains."""

    inputs: dict[str, torch.Tensor]
    """`input_ids` and `attention_mask`, both (batch, longest)."""
    labels: dict[str, torch.Tensor]
    """A task's (batch,) label indices, `NO_LABEL` for rows of the other task."""
    rows: list[Encoded]


def encode(tokenizer: Any, train: dict[str, Rows], max_tokens: int) -> list[Encoded]:
    """Token ids of every training row of every task."""
    encoded = []
    for task, rows in train.items():
        ids = tokenizer(rows.texts, truncation=True, max_length=max_tokens)["input_ids"]
        encoded += [
            Encoded(row, task, label, place)
            for place, (row, label) in enumerate(zip(ids, rows.labels, strict=True))
        ]
    return encoded


def length_grouped(
    rows: list[Encoded], size: int, rng: random.Random, tokenizer: Any, device: torch.device
) -> Iterator[Batch]:
    """All rows once, in random order; rows of one batch are of similar length.

    They are sorted within pools of 50 batches, so that little is padding and chance remains.
    """
    shuffled = rng.sample(rows, len(rows))
    pool = size * 50
    batches = []
    for start in range(0, len(shuffled), pool):
        near = sorted(shuffled[start : start + pool], key=lambda row: len(row.ids))
        batches += [near[i : i + size] for i in range(0, len(near), size)]
    rng.shuffle(batches)
    for batch in batches:
        yield _collate(batch, tokenizer, device)


def _collate(rows: list[Encoded], tokenizer: Any, device: torch.device) -> Batch:
    longest = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), longest), tokenizer.pad_token_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = torch.tensor(row.ids)
        mask[index, : len(row.ids)] = 1
    labels = {
        task: torch.tensor([r.label if r.task == task else NO_LABEL for r in rows], device=device)
        for task in TASKS
    }
    return Batch({"input_ids": ids.to(device), "attention_mask": mask.to(device)}, labels, rows)
