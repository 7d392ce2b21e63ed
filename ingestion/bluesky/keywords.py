"""One pattern for the keywords of all events: a live source holds it against every text."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

SPACE: Final = r"\s+"
NOTHING: Final = re.compile(r"(?!)")
Branch = dict[str, "Branch"]
END: Final = ""
"""The key under which a branch says that a keyword ends at it."""


def any_of(keywords: Iterable[str]) -> re.Pattern[str]:
    """A pattern that finds a text exactly if `mentions` of one of `keywords` does.

    What keywords have in common at their beginning is compared once, and most positions of a text
    are passed over by their first character: a text of a post takes a few microseconds, however
    many keywords there are. One alternative after the other would take that for each.
    """
    root: Branch = {}
    for keyword in keywords:
        branch = root
        for piece in _pieces(keyword):
            branch = branch.setdefault(piece, {})
        branch[END] = {}
    if not root:
        return NOTHING
    first = "".join(root)
    # The same flags and boundaries as those of `mentions`, so that case folds alike.
    return re.compile(rf"(?=[{first}])(?<!\w){_pattern(root)}(?!\w)", re.IGNORECASE)


def _pieces(keyword: str) -> Iterator[str]:
    for number, word in enumerate(keyword.split()):
        if number:
            yield SPACE
        yield from map(_escaped, word)


def _escaped(char: str) -> str:
    """The character itself, inside of a set as outside."""
    return char if char.isalnum() else f"\\{char}" if char.isascii() else char


def _pattern(branch: Branch) -> str:
    ways = [piece + _pattern(rest) for piece, rest in branch.items() if piece != END]
    if not ways:
        return ""
    pattern = ways[0] if len(ways) == 1 and END not in branch else f"(?:{'|'.join(ways)})"
    return pattern + "?" if END in branch else pattern
