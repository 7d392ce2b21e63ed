"""Reads of stored posts: what was said about some events, by event, source, place or language.

It reads the posts of the window, not the rollups, which tell neither places, nor model versions,
nor how far scores are spread.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Engine, Select, func, literal, select

from barometer.languages import EVERY, Languages
from barometer.rollups import EVERY_POST
from barometer.tables import PostEventRow, PostRow

By = Literal["event", "location", "source", "language"]
GROUPS: Final = {
    "location": PostRow.location,
    "source": PostRow.source,
    "language": PostRow.language,
}
Labels = defaultdict[str, Counter[str]]
"""Posts by model version and label."""


@dataclass
class Group:
    """Posts that one line of a comparison is about."""

    event: str
    name: str | None
    """The source, place or language; None where posts name none, or lines are events."""
    posts: int = 0
    emotions: Labels = field(default_factory=lambda: defaultdict(Counter))
    sentiments: Labels = field(default_factory=lambda: defaultdict(Counter))
    emotion_confidence: float = 0.0
    """Sum of the posts' confidence in their emotion."""
    sentiment_confidence: float = 0.0
    scored: int = 0
    """Posts with a sentiment score."""
    score_sum: float = 0.0
    score_squares: float = 0.0
    other_languages: Counter[str] = field(default_factory=Counter)
    """Its posts in languages that are not counted; nothing else here knows them."""


def groups_of(
    engine: Engine,
    events: Mapping[str, int],
    by: By,
    start: datetime,
    end: datetime,
    languages: Languages = EVERY,
) -> list[Group]:
    """The groups that have posts from `start` to `end` (exclusive), those with most posts first.

    Args:
        engine: the database.
        events: slugs and their ids; `EVERY_POST` takes posts of any event or none.
        by: what a line is: an event, or an event's posts of one source, place or language.
        start: the window's start, of the posts' own time.
        end: its end.
        languages: posts in others are only told of, by language.
    """
    found: dict[tuple[str, str | None], Group] = {}
    with engine.connect() as connection:
        for slug, event_id in events.items():
            for row in connection.execute(_counts(event_id, by, start, end, languages)):
                name, other, version, emotion, sentiment, posts, *sums = row
                felt, toned, scored, total, squares = sums
                group = found.setdefault((slug, name), Group(slug, name))
                if other is not None:
                    group.other_languages[other] += posts
                    continue
                group.posts += posts
                if emotion is not None:
                    group.emotions[version][emotion] += posts
                if sentiment is not None:
                    group.sentiments[version][sentiment] += posts
                group.emotion_confidence += felt or 0.0
                group.sentiment_confidence += toned or 0.0
                group.scored += scored
                group.score_sum += total or 0.0
                group.score_squares += squares or 0.0
    return sorted(found.values(), key=lambda g: (-g.posts, g.event, g.name or ""))


def _counts(
    event_id: int, by: By, start: datetime, end: datetime, languages: Languages
) -> Select[Any]:
    score = PostRow.sentiment_score
    group = GROUPS[by] if by in GROUPS else literal(None)
    keys = (
        languages.other(PostRow.language),
        PostRow.model_version,
        PostRow.emotion,
        PostRow.sentiment,
    )
    confidences = (func.sum(PostRow.confidence), func.sum(PostRow.sentiment_confidence))
    scores = (func.count(score), func.sum(score), func.sum(score * score))
    sums = (func.count(), *confidences, *scores)
    statement: Select[Any] = select(group, *keys, *sums).group_by(*keys)
    if by in GROUPS:
        statement = statement.group_by(group)
    if event_id == EVERY_POST:
        return statement.where(PostRow.created_at >= start, PostRow.created_at < end)
    return statement.join(PostEventRow, PostEventRow.post_id == PostRow.id).where(
        PostEventRow.event_id == event_id,
        PostEventRow.created_at >= start,
        PostEventRow.created_at < end,
    )
