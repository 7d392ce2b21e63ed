"""Which texts a model has learnt from beside the public rows: kept as hashes, never as texts.

The public training rows are known by the data's digest. Rows of a user's own are not: the gate
could not tell those that taught a model from those that may judge it.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

FILE = "learnt.txt"
"""In a model folder: one hash a line, sorted."""


def learnt_mark(fingerprint: str) -> str:
    """The hash by which a text's fingerprint is known again: 16 hexadecimal digits of SHA-256."""
    return hashlib.sha256(fingerprint.encode()).hexdigest()[:16]


def read_learnt(folder: Path) -> frozenset[str]:
    """The marks of what the model in `folder` and those before it were adapted to."""
    file = folder / FILE
    return frozenset(file.read_text().split()) if file.is_file() else frozenset()


def add_learnt(folder: Path, fingerprints: Iterable[str]) -> None:
    """Add texts to those that the model in `folder` has learnt from."""
    marks = read_learnt(folder) | {learnt_mark(one) for one in fingerprints}
    (folder / FILE).write_text("".join(f"{mark}\n" for mark in sorted(marks)))
