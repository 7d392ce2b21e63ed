"""Tracked events: create, list, find, delete, and tell which posts mention them."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from barometer.database import writing
from barometer.errors import ConflictError, InputError, NotFoundError
from barometer.tables import EventRow, RollupRow
from barometer.text import mentions


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
    """A title as a slug: ASCII letters, digits and single hyphens.

    Raises:
        InputError: nothing is left of it.
    """
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_only.lower()).strip("-")[:64].strip("-")
    if not slug:
        raise InputError("title: needs at least one letter a-z or digit, or give a slug.", "title")
    return slug


def matching(text: str, events: Sequence[Event]) -> tuple[str, ...]:
    """Slugs of the events that `text` mentions."""
    return tuple(event.slug for event in events if event.is_mentioned_in(text))


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


def tracked(engine: Engine) -> list[Event]:
    """Every tracked event, oldest first."""
    with Session(engine) as session:
        rows = session.scalars(select(EventRow).order_by(EventRow.created_at, EventRow.id))
        return [Event.model_validate(row) for row in rows]


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
    """Forget the event and its rollups; its posts stay.

    Raises:
        NotFoundError: no event has this slug.
    """
    row = event_row(engine, slug)
    with writing(engine).begin() as connection:
        connection.execute(delete(RollupRow).where(RollupRow.event_id == row.id))
        connection.execute(delete(EventRow).where(EventRow.id == row.id))
