"""Routes for analysts: `/events/compare`, `/analytics`, `/explain`."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from barometer.client.contract import Analytics, Comparison, Explanation
from barometer.comparison import By, Group, groups_of
from barometer.errors import InputError, UnavailableError
from barometer.events import EVERY_EVENT, event_row
from barometer.languages import ALL, Languages
from barometer.overview import (
    HOUR,
    busiest_keywords,
    by_event,
    by_hour,
    by_label,
    by_language,
    by_source,
    other_languages,
)
from barometer.rollups import EVERY_POST
from barometer.tables import EventRow
from serving.aggregates import event_mark
from serving.bodies import Readable
from serving.compare import comparison
from serving.explain import explain
from serving.languages_asked import LanguagesAsked, counted_languages, told_languages
from serving.leaving import unless_left
from serving.openapi import answer
from serving.parts import Parts
from serving.request_log import note_origins
from serving.routes_mood import WithParts
from serving.shares import rollup_shares

router = APIRouter(tags=["analytics"])
MOST_EVENTS = 8
MOST_GROUPS = 20
MOST_HOURS = 14 * 24
MOST_EXPLAINED = 2_000


@router.get("/events/compare", responses=answer(Comparison, "The events side by side.", 404))
async def compare_events(
    slugs: Annotated[
        str,
        Query(
            pattern=r"^[a-z0-9-]{1,64}(,[a-z0-9-]{1,64})*$",
            max_length=MOST_EVENTS * 65,
            description="1 to 8 events, separated by commas; `all`: every post",
        ),
    ],
    parts: WithParts,
    by: By = "event",
    minutes: Annotated[int, Query(ge=1, le=MOST_HOURS * 60)] = 24 * 60,
    languages: LanguagesAsked = None,
) -> dict[str, Any]:
    """Events side by side, whole or by source, place or language, and which differences matter.

    By language every one is counted unless some are named. `time` says when they were counted.
    """
    named = list(dict.fromkeys(slugs.split(",")))
    fewest = 2 if by == "event" else 1
    if not fewest <= len(named) <= MOST_EVENTS:
        raise InputError(
            f"slugs: name {fewest} to {MOST_EVENTS} different events to compare by {by}.", "slugs"
        )
    events = {slug: await run_in_threadpool(_event, parts, slug) for slug in named}
    counts = counted_languages(parts, languages or (ALL if by == "language" else None))
    marks = ",".join(map(event_mark, events.values()))
    version = parts.models.champion.version
    return await parts.aggregates.kept_or_read(
        f"compare:{version}:{by}:{minutes}:{counts}:{marks}",
        lambda: _compared(parts, events, by, minutes, counts),
    )


def _event(parts: Parts, slug: str) -> EventRow | None:
    return None if slug == EVERY_EVENT else event_row(parts.engine, slug)


def _compared(
    parts: Parts,
    events: Mapping[str, EventRow | None],
    by: By,
    minutes: int,
    languages: Languages,
) -> dict[str, Any]:
    ids = {slug: event.id if event else EVERY_POST for slug, event in events.items()}
    end = datetime.now(UTC)
    start = end - timedelta(minutes=minutes)
    groups = groups_of(parts.engine, ids, by, start, end, languages)
    named = {group.event for group in groups}
    filled = {group.event for group in groups if group.posts}
    empty = [slug for slug in events if slug not in filled]
    if by == "event":
        groups += [Group(slug, None) for slug in events if slug not in named]
    return {
        "by": by,
        "start": start,
        "end": end,
        **comparison(parts.models, groups[:MOST_GROUPS]),
        "languages": str(languages),
        "empty": empty,
        "omitted_groups": max(0, len(groups) - MOST_GROUPS),
        "time": end,
    }


@router.get("/analytics", responses=answer(Analytics, "The figures."))
async def analytics(
    parts: WithParts,
    hours: Annotated[int, Query(ge=1, le=MOST_HOURS)] = 24,
    languages: LanguagesAsked = None,
) -> dict[str, Any]:
    """The whole system's figures over whole hours, the current one included.

    `by_language` counts every post, the other figures those in `languages`. `time` says when they
    were counted.
    """
    counts = counted_languages(parts, languages)
    now = datetime.now(UTC)
    end = now.replace(minute=0, second=0, microsecond=0) + HOUR
    version = parts.models.champion.version
    return await parts.aggregates.kept_or_read(
        f"analytics:{version}:{hours}:{counts}:{end.isoformat()}",
        lambda: _figures(parts, end, hours, counts),
    )


def _figures(parts: Parts, end: datetime, hours: int, languages: Languages) -> dict[str, Any]:
    start, now = end - hours * HOUR, datetime.now(UTC)
    counted = by_label(parts.engine, start, end, languages)
    keywords, read = busiest_keywords(parts.engine, start, end, languages)
    others = other_languages(parts.engine, start, end, languages)
    return {
        "start": start,
        "end": end,
        "posts": counted["posts"],
        "sentiment_score": counted["sentiment_score"],
        "confidence": counted["confidence"],
        **rollup_shares(parts.models, [counted])[0],
        "hours": by_hour(parts.engine, start, hours, languages),
        "sources": by_source(parts.engine, start, end, languages),
        "events": by_event(parts.engine, start, end, languages),
        "by_language": by_language(parts.engine, start, end),
        **told_languages(languages, [others]),
        "keywords": keywords,
        "keywords_among_posts": read,
        "time": now,
    }


@router.get("/explain", responses=answer(Explanation, "The words and their part.", 404))
async def explain_answer(
    text: Annotated[Readable, Query(max_length=MOST_EXPLAINED, examples=["i feel so happy today"])],
    request: Request,
    parts: WithParts,
    model: Annotated[
        str | None, Query(max_length=64, description="alias or version; by traffic if left out")
    ] = None,
) -> Explanation:
    """Which words of a text drove its answer: each of the first 64 is left out in turn.

    It is no traffic of the model: nothing that is counted of it, or compared, moves.
    """
    [picked] = await parts.models.pick_uncounted(model, [text])
    if picked is parts.models.champion and parts.failsafe.breaker.state == "open":
        raise UnavailableError(
            "an explanation needs the model, which rests after it failed: see GET /failsafe."
        )
    found = await unless_left(request, explain(parts.answers.batcher, picked, text))
    note_origins(["model"])
    used = f"{parts.settings.model_name}:{picked.version}"
    return Explanation.model_validate({**found, "model_used": used})
