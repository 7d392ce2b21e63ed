"""The `replay` source: a jsonl file of time-stamped posts, played again with times moved to now."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ValidationError

from barometer.errors import DataError
from barometer.events import Event, slug_of
from barometer.posts import Post
from ingestion.source import Position

HISTORY_S = 3_600.0
HISTORY_POSTS = 2_000
"""Passes before the first live one are laid into the past at once, so that a chart has one: as many
as these two allow, but always one."""


class Line(BaseModel):
    """One line of a replay file; fields that it does not name are kept as metadata."""

    model_config = {"extra": "allow"}

    id: str
    created_at: AwareDatetime
    text: str
    source: str = "replay"
    event: str
    location: str | None = None


@dataclass(frozen=True)
class Recording:
    """A replay file, read and sorted by time."""

    name: str
    lines: tuple[Line, ...]

    def event_titles(self) -> list[str]:
        """The events that it tells of, in order of appearance."""
        return list(dict.fromkeys(line.event for line in self.lines))


def bundled_recording() -> Path:
    """The demonstration posts that come with Barometer: three fictional events."""
    return Path(str(resources.files("ingestion"))) / "demo" / "posts.jsonl"


def load_recording(path: Path) -> Recording:
    """Read a replay file.

    Raises:
        DataError: it is missing, empty, or a line is not of the needed shape; names the line.
    """
    try:
        raw = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"replay file {path} cannot be read: {error}.") from error
    lines = []
    for number, content in enumerate(raw, 1):
        if not content.strip():
            continue
        try:
            lines.append(Line.model_validate(json.loads(content)))
        except (ValidationError, ValueError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise DataError(
                f"replay file {path}, line {number}: {reason}; each line needs id, created_at "
                "(ISO 8601 with zone), text and event."
            ) from error
    if not lines:
        raise DataError(f"replay file {path} holds no posts.")
    return Recording(path.stem, tuple(sorted(lines, key=lambda line: line.created_at)))


@dataclass(frozen=True)
class Schedule:
    """Story time mapped onto the clock: one pass lasts `lasts`, passes follow each other."""

    first: datetime
    story: timedelta
    lasts: timedelta

    def moment(self, told_at: datetime, begin: datetime) -> datetime:
        """When a post told at `told_at` is shown, in the pass that begins at `begin`."""
        share = (told_at - self.first) / self.story if self.story else 0.0
        return begin + self.lasts * share


class ReplaySource:
    """Plays a recording for ever: some passes before now at once, then pass after pass live."""

    name = "replay"

    def __init__(
        self, recording: Recording, lasts: timedelta, *, passes: int | None = None
    ) -> None:
        """`lasts` is how long one pass takes; after `passes` live ones it ends, None: never."""
        self._recording = recording
        self._passes = passes
        lines = recording.lines
        self.schedule = Schedule(
            lines[0].created_at,
            lines[-1].created_at - lines[0].created_at,
            lasts,
        )
        self._history = max(
            1, min(int(HISTORY_S / lasts.total_seconds()), HISTORY_POSTS // len(lines))
        )

    def missing_setting(self) -> str | None:
        """A replay needs no setting."""
        return None

    def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        """Yield the event's posts as their moments come; begins anew at each call."""
        lines = [line for line in self._recording.lines if slug_of(line.event) == event.slug]
        return self._play(lines, position)

    async def _play(self, lines: Sequence[Line], position: Position) -> AsyncGenerator[Post, None]:
        now = datetime.now(UTC)
        showing = int(now.timestamp())
        begin = now - self.schedule.lasts * self._history
        done = -self._history
        while self._passes is None or done < self._passes:
            for line in lines:
                moment = self.schedule.moment(line.created_at, begin)
                wait = (moment - datetime.now(UTC)).total_seconds()
                if wait > 0:
                    await asyncio.sleep(wait)
                yield _post(line, moment, showing)
            begin += self.schedule.lasts
            showing += 1
            done += 1
            position["passes"] = done
            # A recording without posts for this event must not spin.
            await asyncio.sleep(0 if lines else 1)


def _post(line: Line, moment: datetime, showing: int) -> Post:
    extra = {key: value for key, value in (line.model_extra or {}).items() if value is not None}
    return Post(
        source=line.source,
        id=f"{line.id}.{showing}",
        text=line.text,
        created_at=moment,
        location=line.location,
        metadata={**extra, "told_at": line.created_at.isoformat(), "replay": True},
        showing=showing,
    )
