"""Tracked events: create, list, find, delete, and tell which posts mention them."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from barometer.database import writing
from barometer.errors import ConflictError, InputError, NotFoundError
from barometer.posts import Post
from barometer.tables import EventRow, HourlyRollupRow, RollupRow
from barometer.text import mentions

EVERY_EVENT = "all"
"""The slug that stands for every post, whatever its events."""
RESERVED = (EVERY_EVENT, "compare")
"""Slugs that the API has another use for: `/events/compare` is a route."""


class Event(BaseModel):
    """What people say about it is collected, classified and shown."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    slug: str = Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$")
    title: str = Field(min_length=1, max_length=200)
    keywords: tuple[str, ...] = Field(min_length=1, max_length=20)
    sources: tuple[str, ...] = ()
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    @field_validator("keywords")
    @classmethod
    def _plain(cls, keywords: tuple[str, ...]) -> tuple[str, ...]:
        cleaned = tuple(dict.fromkeys(" ".join(keyword.split()) for keyword in keywords))
        if any(not 1 <= len(keyword) <= 100 for keyword in cleaned):
            raise ValueError("each keyword needs 1 to 100 characters")
        return cleaned

    def is_mentioned_in(self, text: str) -> bool:
        """Whether `text` contains one of the keywords as whole words."""
        return any(mentions(keyword).search(text) for keyword in self.keywords)


def slug_of(title: str) -> str:
    """A title as a slug: ASCII letters, digits and single hyphens; a hash where none are left."""
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_only.lower()).strip("-")[:64].strip("-")
    return slug or "event-" + hashlib.blake2b(title.encode(), digest_size=4).hexdigest()


def new_event(
    title: str,
    keywords: Sequence[str] = (),
    sources: Sequence[str] = (),
    slug: str | None = None,
) -> Event:
    """An event that can be tracked; its title is its keyword where none is given.

    Raises:
        InputError: a value cannot be used; names its field.
    """
    title = " ".join(title.split())
    slug = slug or slug_of(title)
    if slug in RESERVED:
        raise InputError(f"slug: {slug!r} is reserved; choose another.", "slug")
    try:
        return Event(
            slug=slug,
            title=title,
            keywords=tuple(keywords) or (title[:100].strip(),),
            sources=tuple(sources),
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{field}: {message}.", field) from error


def with_events(post: Post, events: Sequence[Event]) -> Post:
    """The post with the events that it has and those that its text mentions."""
    mentioned = (event.slug for event in events if event.is_mentioned_in(post.text))
    return post.model_copy(update={"events": tuple(dict.fromkeys([*post.events, *mentioned]))})


def track(engine: Engine, event: Event) -> Event:
    """Store a new event.

    Raises:
        ConflictError: its slug is taken.
    """
    row = EventRow(
        slug=event.slug,
        title=event.title,
        keywords=list(event.keywords),
        sources=list(event.sources),
        created_at=event.created_at,
    )
    try:
        with Session(writing(engine)) as session, session.begin():
            session.add(row)
    except IntegrityError as error:
        raise ConflictError(f"slug: an event {event.slug!r} is tracked already.") from error
    return event


def tracked_rows(engine: Engine) -> list[EventRow]:
    """The rows of every tracked event, oldest first."""
    with Session(engine) as session:
        return list(session.scalars(select(EventRow).order_by(EventRow.created_at, EventRow.id)))


def tracked(engine: Engine) -> list[Event]:
    """Every tracked event, oldest first."""
    return [Event.model_validate(row) for row in tracked_rows(engine)]


def event_row(engine: Engine, slug: str) -> EventRow:
    """The event's row.

    Raises:
        NotFoundError: no event has this slug.
    """
    with Session(engine) as session:
        row = session.scalar(select(EventRow).where(EventRow.slug == slug))
    if row is None:
        raise NotFoundError(f"slug: no event {slug!r} is tracked; GET /events lists them.")
    return row


def untrack(engine: Engine, slug: str) -> None:
    """Forget the event and its counts; its posts stay.

    Raises:
        NotFoundError: no event has this slug.
    """
    row = event_row(engine, slug)
    with writing(engine).begin() as connection:
        # The event first: a scorer that counts for it holds its row, and is waited for.
        connection.execute(delete(EventRow).where(EventRow.id == row.id))
        connection.execute(delete(RollupRow).where(RollupRow.event_id == row.id))
        connection.execute(delete(HourlyRollupRow).where(HourlyRollupRow.event_id == row.id))
