"""Collected posts as rows: texts to pretrain on, or for people to label."""

import hashlib
import heapq
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from barometer.collection import read_rows
from barometer.languages import Languages
from barometer.whole_file import whole_file

COLUMNS: Final = ("id", "text", "created_at", "language", "may_train")


@dataclass(frozen=True)
class CollectedRow:
    """A post that nobody has labelled; `adapt` reads it once an emotion or sentiment is added."""

    source: str
    id: str
    text: str
    """As it was written: `barometer.text.model_input` makes the model's input of it."""
    created_at: datetime
    language: str | None
    may_train: bool


def collected_rows(folder: Path, languages: Languages) -> Iterator[CollectedRow]:
    """Every collected post in `languages` that a model may learn from, few in memory."""
    for row in read_rows(folder, COLUMNS):
        if row["may_train"] and languages.have(row["language"]):
            yield CollectedRow(**row)


def write_sample(folder: Path, file: Path, rows: int, languages: Languages) -> int:
    """Write a fixed sample as jsonl, for people to label; returns how many rows it has.

    The rows whose text hashes lowest: the same collection gives the same sample, and a larger
    sample holds the smaller one.

    Raises:
        StorageError: the file cannot be written.
    """
    sample = heapq.nsmallest(rows, collected_rows(folder, languages), key=_rank)
    with whole_file(file) as part, part.open("w", encoding="utf-8") as out:
        for row in sample:
            out.write(json.dumps(asdict(row), default=str, ensure_ascii=False) + "\n")
    return len(sample)


def _rank(row: CollectedRow) -> bytes:
    return hashlib.sha256(row.text.encode()).digest()
