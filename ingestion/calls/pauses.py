"""When a server that was asked too often allows the next request, by its own word."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

MAX_PAUSE: Final = timedelta(days=1)
"""Longest that a server is left alone on its own word."""


def asked_until(retry_after: str) -> datetime | None:
    """The moment that a Retry-After header (seconds or a date) names; None if it cannot be read."""
    now = datetime.now(UTC)
    try:
        if retry_after.isdecimal():
            return now + min(timedelta(seconds=min(int(retry_after), 10**6)), MAX_PAUSE)
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    return _bounded(moment, now)


def resets_at(reset: str) -> datetime | None:
    """The moment that an X-RateLimit-Reset header names; None if it cannot be read.

    Mastodon writes ISO 8601 there, Reddit the seconds until then, X those since 1970: ten digits.
    """
    now = datetime.now(UTC)
    if reset.isdecimal() and len(reset) < 10:
        return asked_until(reset)
    try:
        since_1970 = reset.isdecimal() and len(reset) == 10
        moment = datetime.fromtimestamp(int(reset), UTC) if since_1970 else None
        return _bounded(moment or datetime.fromisoformat(reset), now)
    except (ValueError, OverflowError):
        return None


def _bounded(moment: datetime, now: datetime) -> datetime:
    return min(moment if moment.tzinfo else moment.replace(tzinfo=UTC), now + MAX_PAUSE)
