"""The `replay` source: a jsonl file of time-stamped posts, played again with times moved to now."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ValidationError

from barometer.errors import DataError, InputError
from barometer.events import Event, slug_of
from barometer.posts import Post
from ingestion.cleaning import clean
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
    author: str | None = None
    may_train: bool = True


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
        # Only "\n" ends a line: texts may hold other separators, such as U+2028, as they are.
        raw = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"replay file {path} cannot be read: {error}.") from error
    lines = []
    for number, content in enumerate(raw, 1):
        if not content.strip():
            continue
        try:
            line = Line.model_validate(json.loads(content))
            clean({"source": line.source, "id": line.id, "text": line.text,
                   "created_at": line.created_at, "location": line.location,
                   "author": line.author})  # fmt: skip
            lines.append(line)
        except (InputError, ValueError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise DataError(
                f"replay file {path}, line {number}: {reason}; each line needs id, created_at "
                "(ISO 8601 with zone), text and event."
            ) from error
    if not lines:
        raise DataError(f"replay file {path} holds no posts.")
    return Recording(path.stem, tuple(sorted(lines, key=lambda line: line.created_at)))


class ReplaySource:
    """Plays a recording for ever, pass after pass by the clock.

    Pass n of a recording that takes `lasts` runs from n * `lasts` to (n + 1) * `lasts` since 1970,
    so a replay that is started again goes on with the same ids at the same moments.
    """

    name = "replay"

    def __init__(
        self, recording: Recording, lasts: timedelta, *, passes: int | None = None
    ) -> None:
        """`lasts` is how long one pass takes; `passes` after the current one it ends."""
        self._recording = recording
        self._lasts = lasts.total_seconds()
        self._passes = passes
        lines = recording.lines
        self._first = lines[0].created_at
        self._story = (lines[-1].created_at - self._first).total_seconds()
        fitting = min(int(HISTORY_S / self._lasts), HISTORY_POSTS // len(lines))
        self._history = max(1, fitting)

    def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        """Yield the event's posts: those of the last passes at once, the others in their time."""
        lines = [line for line in self._recording.lines if slug_of(line.event) == event.slug]
        return self._play(lines, position)

    async def _play(self, lines: Sequence[Line], position: Position) -> AsyncGenerator[Post, None]:
        current = int(datetime.now(UTC).timestamp() // self._lasts)
        for showing in itertools.count(current - self._history):
            if self._passes is not None and showing > current + self._passes:
                return
            for line in lines:
                moment = self._moment(line, showing)
                wait = (moment - datetime.now(UTC)).total_seconds()
                if wait > 0:
                    await asyncio.sleep(wait)
                yield _post(line, moment, showing)
            position["showing"] = showing
            if not lines:  # a recording without posts for this event must not spin
                await asyncio.sleep(self._lasts)

    def _moment(self, line: Line, showing: int) -> datetime:
        told = (line.created_at - self._first).total_seconds()
        share = told / self._story if self._story else 0.0
        return datetime.fromtimestamp((showing + share) * self._lasts, UTC)


def _post(line: Line, moment: datetime, showing: int) -> Post:
    extra = {key: value for key, value in (line.model_extra or {}).items() if value is not None}
    return Post(
        source=line.source,
        id=f"{line.id}.{showing}",
        text=line.text,
        created_at=moment,
        location=line.location,
        author=line.author,
        may_train=line.may_train,
        metadata={**extra, "told_at": line.created_at.isoformat(), "replay": True},
        showing=showing,
    )
