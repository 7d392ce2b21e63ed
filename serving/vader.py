"""The last resort: VADER, a word list with rules. It tells the sentiment of English, no emotion.

Hutto & Gilbert 2014, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social
Media Text". Its shares of positive, neutral and negative words are no probabilities of a class, so
its answers carry a label and no number.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from vaderSentiment.vaderSentiment import (  # type: ignore[import-untyped]
    SentimentIntensityAnalyzer,
)

from serving.answer import Answer
from serving.judge import label_only

VERSION = "vader"
CLEAR = 0.05
"""Compound score from which, either way, a text is not neutral: the authors' own threshold."""
LONGEST = 1_000
"""Characters that are read: the time that VADER takes grows with the square of the length."""


class Vader:
    """Reads its word list once; then it needs no disk, no network and nobody else's thread."""

    def __init__(self) -> None:
        self._analyzer = SentimentIntensityAnalyzer()
        # A thread of its own: those that others share may be held by what has just failed.
        self._thread = ThreadPoolExecutor(1, "vader")

    async def answer(self, texts: Sequence[str]) -> list[Answer]:
        """An answer for each text, in their order."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self.judge, texts)

    def judge(self, texts: Sequence[str]) -> list[Answer]:
        """As `answer`, at once."""
        return [
            Answer(label_only(VERSION, None, self._sentiment(text)), len(text) > LONGEST, "vader")
            for text in texts
        ]

    def _sentiment(self, text: str) -> str:
        compound: float = self._analyzer.polarity_scores(text[:LONGEST])["compound"]
        if compound >= CLEAR:
            return "positive"
        return "negative" if compound <= -CLEAR else "neutral"
