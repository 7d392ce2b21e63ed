"""Reads of the rollups: how the mood of an event moved, minute by minute."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, func, select

from barometer.labels import EMOTIONS, SENTIMENTS
from barometer.store import NO_ANSWER
from barometer.tables import RollupRow


def trend(
    engine: Engine, event_id: int, start: datetime, end: datetime, step: timedelta
) -> list[dict[str, Any]]:
    """One point a `step` from `start` to `end` (exclusive), empty ones included.

    A point: `{"start", "posts", "emotions": {name: posts}, "sentiments": {name: posts},
    "sentiment_score", "confidence"}`. Posts whose model lacks a task count as posts, and under no
    name of it; the score is the mean over the posts that have a sentiment, the confidence (of the
    emotion, calibrated) over those that have an emotion, None without one.
    """
    count = max(0, -(-int((end - start).total_seconds()) // int(step.total_seconds())))
    points = [_point(start + step * index) for index in range(count)]
    statement = (
        select(
            RollupRow.minute,
            RollupRow.emotion,
            RollupRow.sentiment,
            func.sum(RollupRow.posts),
            func.sum(RollupRow.sentiment_sum),
            func.sum(RollupRow.confidence_sum),
        )
        .where(RollupRow.event_id == event_id, RollupRow.minute >= start, RollupRow.minute < end)
        .group_by(RollupRow.minute, RollupRow.emotion, RollupRow.sentiment)
    )
    scores: dict[int, float] = defaultdict(float)
    confidences: dict[int, float] = defaultdict(float)
    with engine.connect() as connection:
        for minute, emotion, sentiment, posts, score, confidence in connection.execute(statement):
            place = int((minute - start) / step)
            point = points[place]
            point["posts"] += posts
            if emotion != NO_ANSWER:
                point["emotions"][emotion] += posts
                confidences[place] += confidence
            if sentiment != NO_ANSWER:
                point["sentiments"][sentiment] += posts
                scores[place] += score
    for place, total in scores.items():
        points[place]["sentiment_score"] = round(total / with_sentiment(points[place]), 4)
    for place, total in confidences.items():
        points[place]["confidence"] = round(total / with_emotion(points[place]), 4)
    return points


def with_emotion(point: dict[str, Any]) -> int:
    """How many posts of a point have an emotion: what its confidence is the mean of."""
    return sum(point["emotions"].values())


def with_sentiment(point: dict[str, Any]) -> int:
    """How many posts of a point have a sentiment: what its score is the mean of."""
    return sum(point["sentiments"].values())


def _point(start: datetime) -> dict[str, Any]:
    return {
        "start": start,
        "posts": 0,
        "emotions": dict.fromkeys(EMOTIONS, 0),
        "sentiments": dict.fromkeys(SENTIMENTS, 0),
        "sentiment_score": None,
        "confidence": None,
    }


def totals(
    engine: Engine, event_ids: Sequence[int], start: datetime, end: datetime | None = None
) -> dict[int, int]:
    """Posts of each event since `start`, and before `end` if it is given."""
    statement = (
        select(RollupRow.event_id, func.sum(RollupRow.posts))
        .where(RollupRow.event_id.in_(event_ids), RollupRow.minute >= start)
        .group_by(RollupRow.event_id)
    )
    if end is not None:
        statement = statement.where(RollupRow.minute < end)
    with engine.connect() as connection:
        found = {event: int(posts) for event, posts in connection.execute(statement)}
    return {event: found.get(event, 0) for event in event_ids}
