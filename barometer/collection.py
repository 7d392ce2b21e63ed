"""Posts that are collected for training: `STATE_DIR/collected/source=…/date=…/part-….parquet`.

The format in one place: `ingestion` writes it, `training` reads it. The folders name the source
(percent-encoded) and the day on which a post was written (UTC); the files hold `SCHEMA`, whose
columns mean what docs/bi.md says of those of the same name. Needs pyarrow, which the `ops` extra
brings.
"""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from barometer.parquet import COLUMNS
from barometer.posts import Post

PART_ROWS: Final = 10_000
"""Rows of a file; one with fewer is written anew with those that come."""
SHARED: Final = ("id", "text", "author", "location", "url", "metadata", "created_at")
"""Columns that an export of stored posts has, too."""
SCHEMA: Final = pa.schema([
    *((name, kind) for name, kind, _ in COLUMNS if name in SHARED),
    ("language", pa.string()),
    ("may_train", pa.bool_()),
    ("events", pa.list_(pa.string())),
])  # fmt: skip
BATCH: Final = 1_000
"""Rows read at a time."""


Change = Callable[[str, pa.Table], pa.Table | None]
"""Told a source and the rows of a file; returns what they become, or None to leave them."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let nobody else write to the collection meanwhile; the lock ends with its process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def parts(folder: Path) -> list[Path]:
    """Every file of the collection, by source and day."""
    return sorted(folder.glob("source=*/date=*/part-*.parquet"))


def source_of(part: Path) -> str:
    """The source of a file's posts."""
    return unquote(part.parent.parent.name.removeprefix("source="))


def add(folder: Path, posts: Iterable[Post]) -> list[Path]:
    """Write posts, in one move a file: killed in the middle, each file is the old or the new one.

    The caller holds the lock and has left out what is there. Returns the files that changed.
    """
    by_day: dict[Path, list[Post]] = {}
    for post in posts:
        day = f"source={quote(post.source, safe='')}/date={post.created_at:%Y-%m-%d}"
        by_day.setdefault(folder / day, []).append(post)
    return [path for day, of_day in by_day.items() for path in _add(day, of_day)]


def read_rows(folder: Path, columns: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The rows of the whole collection with these columns and their `source`, a few in memory."""
    wanted = list(columns)
    for path in parts(folder):
        source = {"source": source_of(path)}
        for row in _rows(path, wanted):
            yield row | source


def read_part(path: Path) -> Iterator[tuple[str, str, str]]:
    """The source, id and text of each row of one file."""
    source = source_of(path)
    for row in _rows(path, ["id", "text"]):
        yield source, row["id"], row["text"]


def rewrite(folder: Path, change: Change, *, only_count: bool = False) -> Iterator[int]:
    """Change each file in one move; yields how many rows it loses. One that loses all is deleted.

    `only_count`: leave all as it is.
    """
    with locked(folder):
        for path in parts(folder):
            with pq.ParquetFile(path) as file:
                rows = file.read()
            after = change(source_of(path), rows)
            if after is not None and not only_count:
                if after.num_rows:
                    _write(path, after)
                else:
                    path.unlink()
            yield 0 if after is None else rows.num_rows - after.num_rows


def remove_torn(folder: Path) -> None:
    """Remove what a writer that was killed left unfinished; the caller holds the lock."""
    for path in folder.glob("source=*/date=*/.part-*"):
        path.unlink(missing_ok=True)


def _add(day: Path, posts: list[Post]) -> Iterator[Path]:
    day.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([_row(post) for post in posts], SCHEMA)
    path = max(day.glob("part-*.parquet"), default=day / "part-00000.parquet")
    if path.exists():
        older = pq.read_table(path, schema=SCHEMA, partitioning=None)
        if older.num_rows < PART_ROWS:
            table = pa.concat_tables([older, table])
        else:
            path = _next(path)
    for start in range(0, table.num_rows, PART_ROWS):
        _write(path, table.slice(start, PART_ROWS))
        yield path
        path = _next(path)


def _rows(path: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH, columns=columns):
            yield from batch.to_pylist()


def _next(path: Path) -> Path:
    number = int(path.stem.removeprefix("part-")) + 1
    return path.with_name(f"part-{number:05}.parquet")


def _write(path: Path, table: Any) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("wb") as file:
        pq.write_table(table, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _row(post: Post) -> dict[str, Any]:
    own = post.model_dump(include={*SCHEMA.names} - {"metadata", "events"})
    return own | {
        "metadata": orjson.dumps(post.metadata).decode(),
        "events": list(post.events),
    }
