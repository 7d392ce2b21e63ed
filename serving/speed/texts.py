"""Texts that never come twice: a scorer remembers what it has judged, a classifier does not."""

import itertools
from collections.abc import Sequence


class FreshTexts:
    """The given texts in turn, each with a number of its own at its end."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Begin with the first of `texts`."""
        self._numbered = zip(itertools.cycle(texts), itertools.count())

    def take(self, count: int) -> list[str]:
        """The next `count`."""
        return [f"{text} {number}" for text, number in itertools.islice(self._numbered, count)]
