"""What was said of the posts of an analysis, and the shares that follow from it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Any

from barometer.posts import Post
from barometer.tables import PostRow
from serving.answer import Answer
from serving.models import Models
from serving.shares import counted, shares


@dataclass(frozen=True)
class Mood:
    """One post's labels, as much as an analysis needs; None where nothing gave one."""

    created_at: datetime
    emotion: str | None
    confidence: float | None
    sentiment: str | None
    sentiment_confidence: float | None
    judged_by: str
    """A version of the model, or what stood in for it."""
    fallback: bool
    """Whether something else than a model of ours judged it."""

    def of(self, task: str) -> tuple[str | None, float | None]:
        """The label of a task, and its confidence."""
        if task == "emotion":
            return self.emotion, self.confidence
        return self.sentiment, self.sentiment_confidence


def mood_of_row(row: PostRow) -> Mood:
    """What is stored of a post; only a model's answers are."""
    return Mood(
        row.created_at,
        row.emotion,
        row.confidence,
        row.sentiment,
        row.sentiment_confidence,
        row.model_version,
        fallback=False,
    )


def mood_of_answer(post: Post, answer: Answer) -> Mood:
    """What was just said of a post."""
    said = answer.judgement
    return Mood(
        post.created_at,
        said.emotion,
        said.confidence,
        said.sentiment,
        said.sentiment_confidence,
        said.model_version,
        answer.fallback,
    )


def label_shares(
    models: Models, task: str, moods: Sequence[Mood]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A line a label, and what is uncertain of them; shares are of the posts that have an answer.

    `avg_score` is the mean confidence of the posts that carry the label.
    """
    votes: dict[str | None, Counter[str]] = defaultdict(Counter)
    scores: dict[str, list[float]] = defaultdict(list)
    for mood in moods:
        label, confidence = mood.of(task)
        if label is not None:
            votes[None if mood.fallback else mood.judged_by][label] += 1
            if confidence is not None:
                scores[label].append(confidence)
    found = shares(models, task, [{v: counted(task, each) for v, each in votes.items()}])
    lines = []
    for line in found.lines():
        own = scores[line["label"]]
        lines.append(
            {
                "label": line["label"],
                "pct": line["pct"],
                "avg_score": round(fmean(own), 4) if own else None,
                "corrected_pct": line["corrected_pct"],
                "low_pct": line["low_pct"],
                "high_pct": line["high_pct"],
            }
        )
    every = [score for own in scores.values() for score in own]
    return lines, found.uncertainty(0, fmean(every) if every else None)
