"""What is remembered of one Mastodon server between readings, inside a source's position."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ingestion.source import Position

OVERLAP: Final = 40
"""Statuses that are asked for again. A server numbers a status of another server by when it was
written, not by when it came: one that came late stands below some that were read already."""
REMEMBERED: Final = 200
"""Statuses known as read, for each timeline."""
REFUSED: Final = timedelta(days=1)
"""How long a timeline that needs a login is not asked for again."""
BEGINNING: Final = "0"


class ServerMemory:
    """One server's part of a position, changed in place; plain JSON throughout."""

    def __init__(self, position: Position, host: str) -> None:
        servers: dict[str, dict[str, Any]] = position.setdefault("servers", {})
        self._state = servers.setdefault(host, {})

    @property
    def paused_until(self) -> datetime | None:
        """When the server may be asked again, if that is still ahead."""
        return self._ahead("not_before")

    def pause(self, until: datetime | None) -> None:
        """Leave the server alone until then; None: no longer."""
        self._state.pop("not_before", None)
        if until is not None:
            self._state["not_before"] = until.isoformat()

    def is_refused(self, kind: str) -> bool:
        """Whether that kind of timeline was refused lately."""
        return self._ahead(f"no {kind}") is not None

    def refuse(self, kind: str) -> None:
        """Ask for that kind of timeline no more for a day."""
        self._state[f"no {kind}"] = (datetime.now(UTC) + REFUSED).isoformat()

    def start(self, timeline: str) -> str | None:
        """The status above which `timeline` is to be read on; None: it was never read."""
        read = self._read(timeline)
        return read[-OVERLAP:][0] if read else None

    def has_read(self, timeline: str, status: str) -> bool:
        """Whether that status was passed, now or in an earlier reading."""
        return status in self._read(timeline)

    def take(self, timeline: str, status: str) -> None:
        """Remember a status as passed, after all that were passed before."""
        read = self._read(timeline)
        if status in read:
            read.remove(status)
        read.append(status)
        del read[:-REMEMBERED]

    def keep_only(self, timelines: Collection[str]) -> None:
        """Forget the other timelines."""
        read: dict[str, list[str]] = self._state.setdefault("read", {})
        for gone in read.keys() - set(timelines):
            del read[gone]

    def _read(self, timeline: str) -> list[str]:
        read: list[str] = self._state.setdefault("read", {}).setdefault(timeline, [])
        return read

    def _ahead(self, key: str) -> datetime | None:
        moment = self._state.get(key)
        until = datetime.fromisoformat(moment) if moment else None
        return until if until and until > datetime.now(UTC) else None


def forget_others(position: Position, hosts: Collection[str]) -> None:
    """Drop what is remembered of servers that are no longer read."""
    servers: dict[str, Any] = position.setdefault("servers", {})
    for gone in servers.keys() - set(hosts):
        del servers[gone]
