"""Reads of the rollups: how the mood of an event moved, by the minute or by the hour."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Engine, cast, extract, func, select

from barometer.labels import EMOTIONS, SENTIMENTS
from barometer.languages import EVERY, Languages
from barometer.rollups import NO_ANSWER
from barometer.tables import HourlyRollupRow, RollupRow


def trend(
    engine: Engine,
    event_id: int,
    start: datetime,
    end: datetime,
    step: timedelta,
    languages: Languages = EVERY,
) -> list[dict[str, Any]]:
    """One point a `step` from `start` to `end` (exclusive), empty ones included.

    A point: `{"start", "posts", "emotions": {name: posts}, "sentiments": {name: posts},
    "sentiment_score", "confidence", "other_languages": {code: posts}}`. Posts in other languages
    than `languages` are counted there alone. Posts whose model lacks a task count as posts, and
    under no name of it; the score is the mean over the posts that have a sentiment, the confidence
    (of the emotion, calibrated) over those that have an emotion, None without one.
    """
    row, moment = (
        (HourlyRollupRow, HourlyRollupRow.hour)
        if all(_is_whole_hour(value) for value in (start, end, start + step))
        else (RollupRow, RollupRow.minute)
    )
    count = max(0, -(-int((end - start).total_seconds()) // int(step.total_seconds())))
    points = [_point(start + step * index) for index in range(count)]
    # The database adds up each step: a day of minutes would be tens of thousands of rows.
    second = cast(extract("epoch", moment), BigInteger)
    place = (second - int(start.timestamp())) // int(step.total_seconds())
    other = languages.other(row.language)
    statement = (
        select(
            place,
            other,
            row.emotion,
            row.sentiment,
            func.sum(row.posts),
            func.sum(row.sentiment_sum),
            func.sum(row.confidence_sum),
        )
        .where(row.event_id == event_id, moment >= start, moment < end)
        .group_by(place, other, row.emotion, row.sentiment)
    )
    scores: dict[int, float] = defaultdict(float)
    confidences: dict[int, float] = defaultdict(float)
    with engine.connect() as connection:
        for index, foreign, *answers in connection.execute(statement):
            emotion, sentiment, posts, score, confidence = answers
            point = points[index]
            if foreign is not None:
                point["other_languages"][foreign] += posts
                continue
            point["posts"] += posts
            if emotion != NO_ANSWER:
                point["emotions"][emotion] += posts
                confidences[index] += confidence
            if sentiment != NO_ANSWER:
                point["sentiments"][sentiment] += posts
                scores[index] += score
    for index, total in scores.items():
        points[index]["sentiment_score"] = round(total / with_sentiment(points[index]), 4)
    for index, total in confidences.items():
        points[index]["confidence"] = round(total / with_emotion(points[index]), 4)
    return points


def _is_whole_hour(moment: datetime) -> bool:
    return moment == moment.replace(minute=0, second=0, microsecond=0)


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
        "other_languages": Counter(),
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
