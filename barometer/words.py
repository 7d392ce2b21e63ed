"""The words by which posts are found: both databases index exactly these, and are asked for these.

Every post that `barometer.text.mentions` finds for a keyword has all words of that keyword, so an
index of words loses none; the pattern then sorts out those that have them in another order.
"""

import re
from functools import lru_cache
from typing import Final

LONGEST: Final = 64
"""Characters of a word that are kept; PostgreSQL refuses one of over 2,046 bytes."""
PIECE: Final = re.compile(r"[^\W_]+|[^\w\s]|_")
DOTTED_I: Final = str.maketrans({"\u0130": "i"})
"""Patterns take it for an i, whatever the case; folded, it would become two characters."""
UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u180e\u200b\u2028\u2029]")
"""Characters that one database or the other may take for a space."""


def words(text: str) -> list[str]:
    """Each word of `text` once, whatever its case: runs of letters and digits, and single signs.

    A sign of ASCII is written as `x` and its number, so that no word needs quotes anywhere.
    """
    pieces = PIECE.findall(UNSEEN.sub(" ", text).translate(DOTTED_I))
    return list(dict.fromkeys(_written(piece) for piece in pieces))


def indexed(text: str) -> str:
    """The words of a post as its row holds them: FTS5 and tsvector read the same line."""
    return " ".join(words(text))


@lru_cache(maxsize=16_384)  # most words of a text are among the frequent ones
def _written(piece: str) -> str:
    if len(piece) == 1 and piece.isascii() and not piece.isalnum():
        return f"x{ord(piece):x}"
    # To upper case first: only there do some pairs meet that patterns take for one letter.
    return piece[:LONGEST].upper().casefold()
