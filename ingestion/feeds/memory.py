"""What is remembered of one feed between readings, inside a source's position."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from ingestion.source import Position

MAX_SEEN: Final = 1_000
"""Entries remembered per feed; must exceed what one reading looks at."""


class FeedMemory:
    """One feed's part of a position, changed in place; plain JSON throughout.

    It is stored under a hash of the address, because the address may hold a key.
    """

    def __init__(self, position: Position, host: str, url: str) -> None:
        feeds: dict[str, dict[str, Any]] = position.setdefault("feeds", {})
        self.key = f"{host} {_short(url)}"
        self._state = feeds.setdefault(self.key, {})

    @property
    def etag(self) -> str | None:
        """The entity tag of the body that was read to its end last."""
        return self._state.get("etag")

    @property
    def modified(self) -> str | None:
        """That body's Last-Modified."""
        return self._state.get("modified")

    @property
    def is_paused(self) -> bool:
        """Whether the feed asked to be left alone for longer."""
        until = self._state.get("not_before")
        return until is not None and datetime.fromisoformat(until) > datetime.now(UTC)

    def pause(self, until: datetime | None) -> None:
        """Leave the feed alone until then; None: no longer."""
        self._state.pop("not_before", None)
        if until is not None:
            self._state["not_before"] = until.isoformat()

    def has_seen(self, post_id: str) -> bool:
        """Whether that entry was taken, now or in an earlier reading."""
        return _short(post_id) in self._state.get("seen", [])

    def take(self, post_id: str) -> None:
        """Remember an entry as taken."""
        self._state.setdefault("seen", []).append(_short(post_id))

    def finish(self, post_ids: Iterable[str], etag: str | None, modified: str | None) -> None:
        """Remember the body as read to its end; its entries outlive those that left the feed."""
        taken: list[str] = self._state.get("seen", [])
        current = {_short(post_id) for post_id in post_ids}
        gone = [mark for mark in taken if mark not in current]
        here = [mark for mark in dict.fromkeys(taken) if mark in current]
        self._state.update(seen=[*gone, *here][-MAX_SEEN:], etag=etag, modified=modified)


def forget_others(position: Position, kept: Iterable[FeedMemory]) -> None:
    """Drop what is remembered of feeds that are no longer read."""
    keys = {memory.key for memory in kept}
    feeds = position.get("feeds", {})
    for key in [key for key in feeds if key not in keys]:
        del feeds[key]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
