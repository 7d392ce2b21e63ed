"""How each source stands, as people see it: on the command line, over HTTP, on the dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine

from barometer.events import Event, tracked
from barometer.settings import PREFIX, Settings
from barometer.source_states import counted, readings
from barometer.tables import SourceStateRow
from barometer.terms import may_train
from barometer.webhooks import parse_secrets
from ingestion.catalog import KINDS
from ingestion.following import EVERY_EVENT
from ingestion.source import REFUSED


@dataclass(frozen=True)
class SourceLine:
    """A source as people see it."""

    name: str
    state: str
    """`ready`, `missing setting`, `limited` or `failing`."""
    detail: str
    """What it reads, which setting it lacks, why it is limited, or what went wrong."""
    limited_until: datetime | None
    last_ok_at: datetime | None
    last_post_at: datetime | None
    """When the newest of its posts was written."""
    posts_today: int
    """Posts that the stream took from it today (UTC)."""
    posts: int
    """Posts that the stream ever took from it."""
    may_train: bool
    trackable: bool
    """Whether an event may ask for it."""


def source_lines(settings: Settings, engine: Engine) -> list[SourceLine]:
    """Every source with its state, those that are not read on a schedule included."""
    rows, passed_over, events = readings(engine), counted(engine, REFUSED), tracked(engine)
    others = (
        ("http", "programs send posts to POST /ingest", None, False),
        ("replay", settings.replay or "plays the bundled posts", None, False),
    )
    signed = "signed calls of a webhook to POST /ingest"
    webhooks: list[tuple[str, str, str | None, bool]] = [
        (name, signed, None, False)
        for name in parse_secrets(settings.webhook_secrets.get_secret_value())
    ] or [("webhook", signed, f"{PREFIX}WEBHOOK_SECRETS", False)]
    kinds = [(kind.name, kind.reads, kind.missing(settings), True) for kind in KINDS]
    lines = []
    for name, reads, missing, trackable in (*others, *webhooks, *kinds):
        own = [row for row in rows if row.source == name]
        state, detail, until = _state(reads, missing, own, [e for e in events if name in e.sources])
        if name in passed_over:
            detail += f"; {passed_over[name]:,} rows were passed over, the log names them"
        lines.append(
            SourceLine(
                name=name,
                state=state,
                detail=detail,
                limited_until=until,
                last_ok_at=max((row.last_ok_at for row in own if row.last_ok_at), default=None),
                last_post_at=max(
                    (row.last_post_at for row in own if row.last_post_at), default=None
                ),
                posts_today=sum(
                    row.posts_of_day for row in own if row.day == datetime.now(UTC).date()
                ),
                posts=sum(row.posts for row in own),
                may_train=may_train(name),
                trackable=trackable,
            )
        )
    return lines


def _state(
    reads: str, missing: str | None, rows: Sequence[SourceStateRow], asking: Sequence[Event]
) -> tuple[str, str, datetime | None]:
    """The state, its detail, and until when it is limited. `asking`: the events that ask for it."""
    now = datetime.now(UTC)
    limits = [(row.limited_until, row.last_error or "") for row in rows if row.limited_until]
    until, why = max(((at, why) for at, why in limits if at > now), default=(None, ""))
    if missing:
        return "missing setting", f"set {missing}", until
    if until:
        return "limited", why, until
    # The row of an event that is gone, or asks no more, is not read again: its fault would stay.
    # A limit that has passed is no fault either, though the row still tells why it was there.
    keys = {event.slug for event in asking} | ({EVERY_EVENT} if asking else set())
    read = [row for row in rows if row.key in keys]
    faults = [row for row in read if row.last_error and not row.limited_until]
    if not faults:
        return "ready", reads, None
    newest = max(faults, key=lambda row: row.updated_at)
    some = f"{len(faults)} of {len(read)} readings: " if len(read) > 1 else ""
    return "failing", f"{some}{newest.last_error}", None
