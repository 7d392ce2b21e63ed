"""Reads of the hourly rollups: how much is said in the whole system, when, where and of what."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, case, func, select

from barometer.events import tracked
from barometer.languages import EVERY, Languages
from barometer.rollups import EVERY_POST, NO_ANSWER
from barometer.tables import EventRow, HourlyRollupRow, PostRow
from barometer.text import mentions

HOUR: Final = timedelta(hours=1)
MOST_LISTED: Final = 20
KEYWORD_POSTS: Final = 1_000
"""Newest posts in which tracked keywords are counted: rollups hold no words."""

POSTS: Final = func.sum(HourlyRollupRow.posts)
SCORED: Final = func.sum(
    case((HourlyRollupRow.sentiment != NO_ANSWER, HourlyRollupRow.posts), else_=0)
)
SCORES: Final = func.sum(HourlyRollupRow.sentiment_sum)


def by_hour(
    engine: Engine, start: datetime, hours: int, languages: Languages = EVERY
) -> list[dict[str, Any]]:
    """Posts and mean sentiment score of each hour from `start`, empty hours included."""
    sums = [[0, 0, 0.0] for _ in range(hours)]
    statement = (
        select(HourlyRollupRow.hour, POSTS, SCORED, SCORES)
        .where(*_window(start, start + hours * HOUR), _counted(languages))
        .group_by(HourlyRollupRow.hour)
    )
    with engine.connect() as connection:
        for minute, *found in connection.execute(statement):
            cell = sums[int((minute - start) / HOUR)]
            for i, value in enumerate(found):
                cell[i] += value
    return [{"start": start + i * HOUR, **_posts_and_score(*cell)} for i, cell in enumerate(sums)]


def by_source(
    engine: Engine, start: datetime, end: datetime, languages: Languages = EVERY
) -> list[dict[str, Any]]:
    """Posts and mean sentiment score of each source, the busiest first."""
    statement = (
        select(HourlyRollupRow.source, POSTS, SCORED, SCORES)
        .where(*_window(start, end), _counted(languages))
        .group_by(HourlyRollupRow.source)
        .order_by(POSTS.desc(), HourlyRollupRow.source)
        .limit(MOST_LISTED)
    )
    with engine.connect() as connection:
        rows = connection.execute(statement).all()
    return [{"source": source, **_posts_and_score(*rest)} for source, *rest in rows]


def by_event(
    engine: Engine, start: datetime, end: datetime, languages: Languages = EVERY
) -> list[dict[str, Any]]:
    """Posts and mean sentiment score of each tracked event, the busiest first."""
    statement = (
        select(EventRow.slug, EventRow.title, POSTS, SCORED, SCORES)
        .join(HourlyRollupRow, HourlyRollupRow.event_id == EventRow.id)
        .where(HourlyRollupRow.hour >= start, HourlyRollupRow.hour < end, _counted(languages))
        .group_by(EventRow.slug, EventRow.title)
        .order_by(POSTS.desc(), EventRow.slug)
        .limit(MOST_LISTED)
    )
    with engine.connect() as connection:
        rows = connection.execute(statement).all()
    return [
        {"slug": slug, "title": title, **_posts_and_score(*rest)} for slug, title, *rest in rows
    ]


def by_language(engine: Engine, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Posts and mean sentiment score of each language, the one with most posts first.

    `language` is None for posts whose language is not known.
    """
    statement = (
        select(HourlyRollupRow.language, POSTS, SCORED, SCORES)
        .where(*_window(start, end))
        .group_by(HourlyRollupRow.language)
        .order_by(POSTS.desc(), HourlyRollupRow.language)
    )
    with engine.connect() as connection:
        rows = connection.execute(statement).all()
    return [{"language": code or None, **_posts_and_score(*rest)} for code, *rest in rows]


def other_languages(
    engine: Engine, start: datetime, end: datetime, languages: Languages
) -> dict[str, int]:
    """Posts that the other functions leave out, by language, most first."""
    other = languages.other(HourlyRollupRow.language)
    statement = (
        select(other, POSTS).where(*_window(start, end)).group_by(other).order_by(POSTS.desc())
    )
    with engine.connect() as connection:
        return {code: int(posts) for code, posts in connection.execute(statement) if code}


def by_label(
    engine: Engine, start: datetime, end: datetime, languages: Languages = EVERY
) -> dict[str, Any]:
    """Posts by emotion and by sentiment, the mean confidence of the emotions, the mean score."""
    statement = (
        select(
            HourlyRollupRow.emotion, HourlyRollupRow.sentiment, POSTS, SCORES,
            func.sum(HourlyRollupRow.confidence_sum),
        )
        .where(*_window(start, end), _counted(languages))
        .group_by(HourlyRollupRow.emotion, HourlyRollupRow.sentiment)
    )  # fmt: skip
    emotions: Counter[str] = Counter()
    sentiments: Counter[str] = Counter()
    posts, scores, confidences = 0, 0.0, 0.0
    with engine.connect() as connection:
        for emotion, sentiment, count, score, confidence in connection.execute(statement):
            posts += count
            if emotion != NO_ANSWER:
                emotions[emotion] += count
                confidences += confidence
            if sentiment != NO_ANSWER:
                sentiments[sentiment] += count
                scores += score
    return {
        **_posts_and_score(posts, sentiments.total(), scores),
        "emotions": emotions,
        "sentiments": sentiments,
        "confidence": round(confidences / emotions.total(), 4) if emotions else None,
    }


def busiest_keywords(
    engine: Engine, start: datetime, end: datetime, languages: Languages = EVERY
) -> tuple[list[dict[str, Any]], int]:
    """Tracked keywords by how many of the newest posts mention them, and how many were read."""
    newest = (
        select(PostRow.text)
        .where(
            PostRow.created_at >= start,
            PostRow.created_at < end,
            languages.among(PostRow.language),
        )
        .order_by(PostRow.created_at.desc())
        .limit(KEYWORD_POSTS)
    )
    with engine.connect() as connection:
        texts = list(connection.scalars(newest))
    keywords = sorted(
        {(keyword.casefold(), keyword) for e in tracked(engine) for keyword in e.keywords}
    )
    counts: dict[str, int] = {}
    folded = [text.casefold() for text in texts]
    for plain, keyword in keywords:
        counts.setdefault(plain, _mentioning(texts, folded, keyword))
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_LISTED]
    return [{"keyword": keyword, "posts": posts} for keyword, posts in ranked if posts], len(texts)


def _mentioning(texts: Sequence[str], folded: Sequence[str], keyword: str) -> int:
    pattern = mentions(keyword)
    word = max(keyword.casefold().split(), key=len)  # in the text at all, before the slow search
    pairs = zip(texts, folded, strict=True)
    return sum(1 for text, plain in pairs if word in plain and pattern.search(text))


def _window(start: datetime, end: datetime) -> tuple[ColumnElement[bool], ...]:
    within = (HourlyRollupRow.hour >= start, HourlyRollupRow.hour < end)
    return (HourlyRollupRow.event_id == EVERY_POST, *within)


def _counted(languages: Languages) -> ColumnElement[bool]:
    return languages.among(HourlyRollupRow.language)


def _posts_and_score(posts: float, scored: float, scores: float) -> dict[str, Any]:
    """Posts, and the mean sentiment score of those that have one."""
    score = round(scores / scored, 4) if scored else None
    return {"posts": int(posts), "sentiment_score": score}
