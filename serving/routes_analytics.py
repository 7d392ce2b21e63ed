"""Routes for analysts: `/events/compare`, `/analytics`, `/explain`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from barometer.client.contract import Analytics, Comparison, Explanation
from barometer.comparison import By, Group, groups_of
from barometer.errors import InputError
from barometer.events import EVERY_EVENT, event_row
from barometer.overview import HOUR, busiest_keywords, by_event, by_hour, by_label, by_source
from barometer.store import EVERY_POST
from serving.bodies import Readable
from serving.compare import comparison
from serving.explain import explain
from serving.openapi import answer
from serving.routes_mood import WithParts
from serving.shares import rollup_shares

router = APIRouter(tags=["analytics"])
MOST_EVENTS = 8
MOST_GROUPS = 20
MOST_HOURS = 14 * 24
MOST_EXPLAINED = 2_000


@router.get("/events/compare", responses=answer(Comparison, "The events side by side.", 404))
def compare_events(
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
) -> Comparison:
    """Events side by side, whole or by source or place, and which differences are beyond chance."""
    named = list(dict.fromkeys(slugs.split(",")))
    fewest = 2 if by == "event" else 1
    if not fewest <= len(named) <= MOST_EVENTS:
        raise InputError(
            f"slugs: name {fewest} to {MOST_EVENTS} different events to compare by {by}.", "slugs"
        )
    events = {
        slug: EVERY_POST if slug == EVERY_EVENT else event_row(parts.engine, slug).id
        for slug in named
    }
    end = datetime.now(UTC)
    start = end - timedelta(minutes=minutes)
    groups = groups_of(parts.engine, events, by, start, end)
    empty = [slug for slug in named if slug not in {group.event for group in groups}]
    if by == "event":
        groups += [Group(slug, None) for slug in empty]
    return Comparison.model_validate(
        {
            "by": by,
            "start": start,
            "end": end,
            **comparison(parts.models, groups[:MOST_GROUPS]),
            "empty": empty,
            "omitted_groups": max(0, len(groups) - MOST_GROUPS),
        }
    )


@router.get("/analytics", responses=answer(Analytics, "The figures."))
def analytics(
    parts: WithParts, hours: Annotated[int, Query(ge=1, le=MOST_HOURS)] = 24
) -> Analytics:
    """The whole system's figures over whole hours, the current one included."""
    now = datetime.now(UTC)
    end = now.replace(minute=0, second=0, microsecond=0) + HOUR
    start = end - hours * HOUR
    counted = by_label(parts.engine, start, end)
    keywords, read = busiest_keywords(parts.engine, start, end)
    return Analytics.model_validate(
        {
            "start": start,
            "end": end,
            "posts": counted["posts"],
            "sentiment_score": counted["sentiment_score"],
            "confidence": counted["confidence"],
            **rollup_shares(parts.models, [counted])[0],
            "hours": by_hour(parts.engine, start, hours),
            "sources": by_source(parts.engine, start, end),
            "events": by_event(parts.engine, start, end),
            "keywords": keywords,
            "keywords_among_posts": read,
        }
    )


@router.get("/explain", responses=answer(Explanation, "The words and their part.", 404))
async def explain_answer(
    text: Annotated[Readable, Query(max_length=MOST_EXPLAINED, examples=["i feel so happy today"])],
    parts: WithParts,
    model: Annotated[
        str | None, Query(max_length=64, description="alias or version; by traffic if left out")
    ] = None,
) -> Explanation:
    """Which words of a text drove its answer: each is left out in turn."""
    [picked] = await parts.models.pick_all(model, [text])
    found: dict[str, Any] = await run_in_threadpool(explain, picked, text)
    used = f"{parts.settings.model_name}:{picked.version}"
    return Explanation.model_validate({**found, "model_used": used})
