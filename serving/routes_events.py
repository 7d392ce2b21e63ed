"""Routes about tracked events and the posts about them, and `/ingest`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from barometer.client.contract import EventList, PostPage, Taken, TrackedEvent, Trend
from barometer.errors import InputError
from barometer.events import (
    EVERY_EVENT,
    Event,
    event_row,
    new_event,
    track,
    tracked_rows,
    untrack,
)
from barometer.feed import events_of_posts, newest_posts, reposts_of
from barometer.labels import EMOTIONS, SENTIMENTS
from barometer.search import link_stored
from barometer.tables import EventRow
from barometer.trends import with_emotion, with_sentiment
from ingestion.catalog import kind_of
from ingestion.posted import publish_posted
from serving.bodies import Ingest, NewEvent
from serving.languages_asked import LanguagesAsked, counted_languages, told_languages
from serving.openapi import answer
from serving.post_json import row_json
from serving.routes_mood import WithParts
from serving.shares import rollup_shares
from serving.webhooks import WEBHOOK

router = APIRouter(tags=["events"])
Slug = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$", description="`all`: every post")]
MOST_POINTS = 1_500
MOST_CORRECTED = 200
"""Points whose shares are corrected: each costs thousands of draws."""
LARGEST_ID = 2**31 - 1
"""Of a post, as its column holds it; databases and their drivers raise at more."""


@router.post(
    "/ingest",
    status_code=202,
    responses=answer(Taken, "What became of the posts.", 429, status=202),
)
async def ingest(body: Ingest, parts: WithParts, request: Request) -> dict[str, Any]:
    """Take posts from a program. 202 means that the stream has what is counted as accepted.

    A webhook signs the call instead of carrying a key; its name is the posts' source, whatever the
    body says.

    429, before any is taken: too many posts wait for the scorers; `Retry-After` says when to come
    again.
    """
    await run_in_threadpool(parts.pressure.check)
    webhook: str | None = request.scope.get(WEBHOOK)
    raw = [{**post, "source": webhook or body.source} for post in body.posts]
    accepted, duplicates, rejected = await run_in_threadpool(
        publish_posted, raw, parts.broker, parts.engine, through=webhook or "http"
    )
    return {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}


@router.get("/events", responses=answer(EventList, "Every tracked event."))
async def list_events(parts: WithParts) -> dict[str, Any]:
    """Tracked events with their posts of the last 24 hours.

    `time` says when the posts older than the newest minutes were counted.
    """
    rows = await run_in_threadpool(tracked_rows, parts.engine)
    counts, read = await parts.aggregates.posts_of_a_day(rows)
    return {"events": [_event_json(row, counts[row.id], read) for row in rows]}


@router.post(
    "/events",
    status_code=201,
    responses=answer(TrackedEvent, "It is tracked.", 409, status=201),
)
def track_event(body: NewEvent, parts: WithParts) -> dict[str, Any]:
    """Track an event; stored posts that mention it are linked to it."""
    for name in body.sources:
        kind_of(name)
    event = track(parts.engine, new_event(body.title, body.keywords, body.sources, body.slug))
    row = event_row(parts.engine, event.slug)
    linked = link_stored(parts.engine, row.id, event.keywords)
    return _event_json(row, linked, datetime.now(UTC))


@router.get("/events/{slug}", responses=answer(TrackedEvent, "The event."))
async def one_event(slug: Slug, parts: WithParts) -> dict[str, Any]:
    """One tracked event."""
    row = await run_in_threadpool(event_row, parts.engine, slug)
    counts, read = await parts.aggregates.posts_of_a_day([row])
    return _event_json(row, counts[row.id], read)


@router.delete("/events/{slug}", status_code=204)
def forget_event(slug: Slug, parts: WithParts) -> Response:
    """Stop tracking an event; its posts stay."""
    untrack(parts.engine, slug)
    return Response(status_code=204)


@router.get("/events/{slug}/trends", responses=answer(Trend, "The course of its mood."))
async def trends(
    slug: Slug,
    parts: WithParts,
    minutes: Annotated[int, Query(ge=1, le=14 * 24 * 60, description="how far back")] = 60,
    step_s: Annotated[int, Query(ge=60, le=24 * 3600, description="whole minutes")] = 60,
    point_shares: Annotated[bool, Query(description="corrected shares of each point too")] = False,  # noqa: FBT002
    languages: LanguagesAsked = None,
) -> dict[str, Any]:
    """How the mood moved: one point a step, of the posts' own time.

    `time` says when the points older than the newest minutes were counted.
    `emotions` and `sentiments` count posts as classified; `shares` has them corrected. Posts in
    other languages than those that are counted stand in `other_languages` alone.
    """
    if step_s % 60:
        raise InputError("step_s: must be whole minutes.", "step_s")
    if minutes * 60 / step_s > MOST_POINTS:
        raise InputError(f"step_s: gives over {MOST_POINTS} points; use longer steps.", "step_s")
    if point_shares and minutes * 60 / step_s > MOST_CORRECTED:
        raise InputError(
            f"point_shares: at most {MOST_CORRECTED} points are corrected; use longer steps.",
            "point_shares",
        )
    step = timedelta(seconds=step_s)
    # Aligned to the step, so that a point does not change its posts as the window moves on.
    now = int(datetime.now(UTC).timestamp())
    end = datetime.fromtimestamp((now // step_s + 1) * step_s, UTC)
    start = end - step * -(-minutes * 60 // step_s)
    event = None
    if slug != EVERY_EVENT:
        event = await run_in_threadpool(event_row, parts.engine, slug)
    counts = counted_languages(parts, languages)
    points, read = await parts.aggregates.trend(event, start, end, step, counts)
    posts = sum(point["posts"] for point in points)
    scored = [p for p in points if p["sentiment_score"] is not None]
    judged = sum(map(with_sentiment, scored))
    score = sum(p["sentiment_score"] * with_sentiment(p) for p in scored)
    felt = sum(map(with_emotion, points))
    confidence = sum(p["confidence"] * with_emotion(p) for p in points if p["confidence"])
    total = {
        "emotions": {name: sum(p["emotions"][name] for p in points) for name in EMOTIONS},
        "sentiments": {name: sum(p["sentiments"][name] for p in points) for name in SENTIMENTS},
        "confidence": round(confidence / felt, 4) if felt else None,
    }
    counted = [total, *(points if point_shares else [])]
    whole, *each = await run_in_threadpool(rollup_shares, parts.models, counted)
    for point, own in zip(points, each, strict=False):
        point["shares"] = own["shares"]
    return {
        "slug": slug,
        "start": start,
        "end": end,
        "step_s": step_s,
        "posts": posts,
        **total,
        "sentiment_score": round(score / judged, 4) if judged else None,
        **whole,
        **told_languages(counts, (p["other_languages"] for p in points)),
        "points": points,
        "time": read,
    }


@router.get("/events/{slug}/posts", responses=answer(PostPage, "A page of posts."))
def event_posts(
    slug: Slug,
    parts: WithParts,
    limit: Annotated[int, Query(ge=1, le=500, description="posts of a page")] = 50,
    before: Annotated[
        str | None, Query(max_length=100, description="a time, or `next` of the page before")
    ] = None,
    emotion: Literal["sadness", "joy", "love", "anger", "fear", "surprise"] | None = None,
) -> dict[str, Any]:
    """The newest posts, newest first; `before` takes the last page's `next`, or a time.

    A text that was posted again within a day is listed once; `reposts` says how often.
    """
    event_id = None if slug == EVERY_EVENT else event_row(parts.engine, slug).id
    after = _cursor(before) if before else None
    rows = newest_posts(parts.engine, limit, event_id=event_id, before=after, emotion=emotion)
    ids = [row.id for row in rows]
    slugs = events_of_posts(parts.engine, ids)
    reposts = reposts_of(parts.engine, ids, event_id)
    last = rows[-1] if len(rows) == limit else None
    return {
        "posts": [row_json(row, slugs.get(row.id, []), reposts.get(row.id, 0)) for row in rows],
        "next": f"{last.created_at.isoformat()}~{last.id}" if last else None,
    }


def _cursor(text: str) -> tuple[datetime, int]:
    """A page's end: time and id, since many posts may share a second; id 0 for a bare time."""
    moment, _, number = text.replace(" ", "+").partition("~")
    fault = InputError("before: must be an ISO 8601 time, or `next` of the page before.", "before")
    try:
        parsed, post = datetime.fromisoformat(moment).astimezone(UTC), int(number or 0)
    except (ValueError, OverflowError) as error:
        raise fault from error
    if not 0 <= post <= LARGEST_ID:
        raise fault
    return parsed, post


def _event_json(row: EventRow, posts: int, counted: datetime) -> dict[str, Any]:
    return Event.model_validate(row).model_dump(mode="json") | {"posts": posts, "time": counted}
