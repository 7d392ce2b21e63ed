"""Judged posts that nobody wrote, the same at every run, for measurements of the store.

Made-up words with the frequencies of a language (Zipf), five tracked events, and every fifth post
repeating one of the newest texts under an id of its own.
"""

import random
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate, product

from sqlalchemy import Engine

from barometer.events import Event, track
from barometer.labels import EMOTIONS, SENTIMENTS
from barometer.posts import Judgement, Post

END = datetime(2026, 6, 1, tzinfo=UTC)
"""When the newest post was written."""
SPAN = timedelta(days=30)
EVENTS = ("harbour budget", "night bus", "aurora line", "lumen phone", "city vote")
SOURCES = ("bluesky", "reddit", "news")
LANGUAGES = ("en",) * 8 + ("de", None)
PLACES = ("Ulm", "Leeds", "Porto", None)
FREQUENT = "today"
"""In every third text."""
RARE = "zeppelin"
"""In every ten-thousandth text."""
REPOSTS = 0.2
RECENT = 200
WORDS_OF_A_POST = 16
SYLLABLES = [a + b for a, b in product("bdfgklmnprstvz", "aeiou")]
WORDS = [a + b + c for a, b, c in product(SYLLABLES, SYLLABLES, ("", "n", "r", "s"))]
WEIGHTS = list(accumulate(1 / rank for rank in range(1, len(WORDS) + 1)))


def track_events(engine: Engine) -> None:
    """Track the events that the posts are about."""
    for title in EVENTS:
        slug = title.replace(" ", "-")
        track(engine, Event(slug=slug, title=title.title(), keywords=(title, title.split()[0])))


def judged_posts(count: int, prefix: str = "") -> Iterator[tuple[Post, Judgement]]:
    """So many posts of `SPAN` up to `END`, the oldest first; ids begin with `prefix`."""
    dice = random.Random(7)  # noqa: S311 - posts, not secrets
    recent: deque[tuple[str, tuple[str, ...], Judgement]] = deque(maxlen=RECENT)
    for number in range(count):
        if not recent or dice.random() > REPOSTS:
            recent.append(_told(number, dice))
            told = recent[-1]
        else:
            told = dice.choice(recent)
        text, events, judgement = told
        post = Post(
            source=dice.choice(SOURCES),
            id=f"{prefix}{dice.getrandbits(48):012x}-{number}",
            text=text,
            created_at=END - SPAN * (1 - number / count),
            author=f"user{dice.randrange(50_000)}",
            location=dice.choice(PLACES),
            language=dice.choice(LANGUAGES),
            metadata={"likes": dice.randrange(500)},
            events=events,
        )
        yield post, judgement


def _told(number: int, dice: random.Random) -> tuple[str, tuple[str, ...], Judgement]:
    words = dice.choices(WORDS, cum_weights=WEIGHTS, k=WORDS_OF_A_POST)
    if number % 3 == 0:
        words.append(FREQUENT)
    if number % 10_000 == 0:
        words.append(RARE)
    events: tuple[str, ...] = ()
    if dice.random() < 0.6:
        title = dice.choice(EVENTS)
        words.insert(dice.randrange(len(words)), title)
        events = (title.replace(" ", "-"),)
    return " ".join(words), events, _judgement(dice)


def _judgement(dice: random.Random) -> Judgement:
    emotions = _probabilities(EMOTIONS, dice)
    sentiments = _probabilities(SENTIMENTS, dice)
    emotion, confidence = max(emotions.items(), key=lambda pair: pair[1])
    sentiment, certainty = max(sentiments.items(), key=lambda pair: pair[1])
    return Judgement(
        emotion=emotion,
        confidence=confidence,
        emotions=emotions,
        sentiment=sentiment,
        sentiment_confidence=certainty,
        sentiments=sentiments,
        model_version="1",
    )


def _probabilities(names: tuple[str, ...], dice: random.Random) -> dict[str, float]:
    weights = [dice.random() ** 3 * (1 + place) for place in range(len(names))]
    total = sum(weights)
    return {name: round(w / total, 6) for name, w in zip(names, weights, strict=True)}
