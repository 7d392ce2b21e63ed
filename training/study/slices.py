"""Kinds of rows on which a model may be worse than its average says."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import emoji
import numpy as np
import numpy.typing as npt

from training.data import Rows
from training.study.intervals import Labels, accuracy_of, confusion, intervals, macro_f1_of

FEWEST: Final = 30
"""Rows below which a slice gets no interval: a bootstrap of so few promises too much."""

# The public emotion rows have lost their apostrophes: "dont", "cant".
NEGATION: Final = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|nowhere|neither|nor|cannot|without|\w+n't"
    r"|(?:is|are|was|were|do|does|did|have|has|had|would|should|could|wo|ca|must|need)nt)\b",
    re.IGNORECASE,
)
MENTION: Final = re.compile(r"(?<!\w)@user\b")
EMOTICON: Final = re.compile(r"(?<![\w/])(?:[:;=8xX][-'o]?[()DPpO/\\|*\]\[]|<3+|\^_?\^)(?!\w)")


def words_between(low: int, high: int | None) -> Callable[[str], bool]:
    """A test for texts of `low` to `high` words; None: any number from `low`."""
    return lambda text: low <= len(text.split()) <= (high or len(text))


def has_emoji(text: str) -> bool:
    """Whether a model input holds an emoji.

    There they stand as words ("red heart"). Only names that hardly anybody types are known again:
    of faces, and of hearts with a colour. Others ("fire", "hot dog") are missed.
    """
    if emoji.emoji_count(text):
        return True
    words = text.lower().split()
    names, longest = _emoji_names()
    return any(
        tuple(words[start : start + count]) in names
        for start in range(len(words))
        for count in range(2, longest + 1)
    )


SLICES: Final[dict[str, Callable[[str], bool]]] = {
    "short (up to 8 words)": words_between(0, 8),
    "medium (9 to 17 words)": words_between(9, 17),
    "long (18 words and more)": words_between(18, None),
    "with negation": lambda text: NEGATION.search(text) is not None,
    "without negation": lambda text: NEGATION.search(text) is None,
    "with emoji": has_emoji,
    "with emoticon": lambda text: EMOTICON.search(text) is not None,
    "with mention": lambda text: MENTION.search(text) is not None,
}
"""Name: whether a model input belongs to it. The lengths part the public rows in about thirds."""


def slice_figures(rows: Rows, guess: Labels, classes: int) -> dict[str, dict[str, Any]]:
    """For every slice: rows, accuracy, macro-F1 and, from `FEWEST` rows on, 95 % intervals.

    `guess` (n,) are the labels that the model gives to the n rows. What cannot be said is None: all
    figures of an empty slice, the intervals of a small one.
    """
    truth = np.array(rows.labels)
    found: dict[str, dict[str, Any]] = {}
    for name, belongs in SLICES.items():
        inside: npt.NDArray[np.bool_] = np.array([belongs(text) for text in rows.texts], bool)
        count = int(inside.sum())
        table = confusion(truth[inside], guess[inside], classes)
        found[name] = {
            "rows": count,
            "accuracy": float(accuracy_of(table)) if count else None,
            "macro_f1": float(macro_f1_of(table)) if count else None,
            "intervals": intervals(table) if count >= FEWEST else None,
        }
    return found


@cache
def _emoji_names() -> tuple[frozenset[tuple[str, ...]], int]:
    colours = {"red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "white"}
    names = set()
    for entry in emoji.EMOJI_DATA.values():
        words = tuple(entry["en"].strip(":").lower().split("_"))
        telling = "face" in words or ("heart" in words and colours & set(words))
        if len(words) > 1 and telling:
            names.add(words)
    return frozenset(names), max(map(len, names))
