"""Files of posts in a watched folder: reviews, support tickets, feedback forms.

A row belongs to the events that its text mentions. A file in a subfolder named like an event's slug
holds rows of that event, whether they mention it or not.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Self

import structlog

from barometer.errors import SourceError
from barometer.events import Event
from barometer.file_columns import parse_columns
from barometer.posts import Post
from barometer.settings import Settings
from ingestion.files.row_files import Batch, RowFile, State
from ingestion.files.row_lines import FileFault
from ingestion.files.row_posts import SOURCE, Columns
from ingestion.files.watched_folder import WatchedFile, watch
from ingestion.source import REFUSED, Position

log = structlog.get_logger()
SETTLED_S: Final = 60.0
"""A file that nobody has touched for so long is whole."""
NAMED: Final = 5
"""Files that a fault names, and rows that the log names for a file in one reading."""


class FilesSource:
    """Reads csv, jsonl and parquet files of `folder`, each from where it was left."""

    name = SOURCE

    def __init__(self, folder: str, columns: Columns, *, settled_s: float = SETTLED_S) -> None:
        """`settled_s`: after so long without a change a last line without an end is whole."""
        self._folder = folder
        self._columns = columns
        self._settled_s = settled_s

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The source as the settings describe it."""
        return cls(settings.files_dir, Columns(parse_columns(settings.files_columns)))

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        """Yield the rows of `event` that are new since `position`, file by file.

        A row that cannot be read is passed over, counted in the position, and told to the log with
        its line. A file that cannot be read holds no other up.

        Raises:
            SourceError: at the end, with each file that failed and what to do about it.
        """
        watched = await asyncio.to_thread(watch, self._folder)
        known: dict[str, State] = position.get("files", {})
        position["files"] = {f.name: known[f.name] for f in watched.files if f.name in known}
        faults = list(watched.faults)
        for file in watched.files:
            try:
                async with aclosing(self._read_file(file, event, position)) as posts:
                    async for post in posts:
                        yield post
            except FileFault as fault:
                faults.append(f"{file.name}: {fault}")
        if faults:
            more = f"; and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
            raise SourceError(
                f"files: not all of the folder could be read ({'; '.join(faults[:NAMED])}{more}); "
                "the rest was."
            )

    async def _read_file(
        self, file: WatchedFile, event: Event, position: Position
    ) -> AsyncGenerator[Post, None]:
        states: dict[str, State] = position["files"]
        wanted = (lambda _: True) if file.folder == event.slug else event.is_mentioned_in
        refused: list[tuple[int, str]] = []
        with RowFile(file.path, file.name, self._columns, states.get(file.name, {})) as opened:
            rows = opened.rows(self._settled_s)
            while batch := await asyncio.to_thread(opened.take, rows, wanted):
                for post, state in batch.posts:
                    yield post
                    states[file.name] = state  # only here has the caller come back for more
                _finish(batch, file, position)
                refused += batch.refused
                if batch.fault:
                    break
        if refused:
            lines = [f"{line}: {reason}" for line, reason in refused[:NAMED]]
            log.warning("rows passed over", file=file.name, rows=len(refused), first=lines)
        if batch is not None and batch.fault:
            raise batch.fault


def _finish(batch: Batch, file: WatchedFile, position: Position) -> None:
    if batch.state:
        position["files"][file.name] = batch.state
    position[REFUSED] = position.get(REFUSED, 0) + len(batch.refused)
