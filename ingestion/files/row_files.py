"""A file of rows, opened where its last reading stopped, and taken a batch at a time.

What is remembered of a file says how far it was read and how to tell that it is still the same one:
its inode, size and time, and hashes of its beginning and of what lies right before that place. A
file that grew is read on; one that was replaced is read anew, which doubles nothing, since the same
row is the same post.
"""

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

from barometer.errors import InputError
from barometer.posts import Post
from ingestion.files.row_lines import FileFault, Lines, Row
from ingestion.files.row_posts import Columns, post_of
from ingestion.files.text_rows import csv_header, csv_rows, json_rows

KINDS: Final = (".csv", ".jsonl", ".parquet")
MARKED: Final = 4_096
"""Bytes at the beginning, and before the place, by which a file is known again."""
BATCH_ROWS: Final = 2_000
BATCH_POSTS: Final = 100
BATCH_BYTES: Final = 1_000_000
"""What one batch looks at, at most, beside a single row."""
State = dict[str, Any]
"""What is remembered of a file: plain JSON."""


@dataclass
class Batch:
    """What the next rows brought."""

    posts: list[tuple[Post, State]] = field(default_factory=list)
    """Each with what is to be remembered once it is taken."""
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Rows that cannot be posts: their line and why."""
    state: State = field(default_factory=dict)
    """What is to be remembered when all of them are taken."""
    fault: FileFault | None = None
    """Why nothing comes after them."""


class RowFile:
    """One open file; closes itself at the end of a `with`."""

    def __init__(self, path: Path, name: str, columns: Columns, state: State) -> None:
        """`name` is the file's within its folder.

        Raises:
            FileFault: it cannot be opened.
        """
        self._name, self._columns = name, columns
        self._kind = path.suffix.lower()
        try:
            # What is checked is what is read: not the target of a link that came in between.
            number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise FileFault(f"cannot be read ({error.strerror})") from error
        self._file: BinaryIO = os.fdopen(number, "rb")
        about = os.fstat(number)
        if not stat.S_ISREG(about.st_mode):
            self._file.close()
            raise FileFault("is no regular file")
        self._known: State = {
            "inode": about.st_ino, "size": about.st_size, "changed": about.st_mtime_ns,
        }  # fmt: skip
        self.written_at = datetime.fromtimestamp(about.st_mtime, UTC)
        self._age_s = time.time() - about.st_mtime
        self._state = state if self._is_same(state) else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def rows(self, settled_s: float) -> Iterator[Row]:
        """The rows that were not read yet.

        A last line without an end, or a Parquet file without its footer, is taken for one that is
        being written until the file has been left alone for `settled_s`.

        Raises:
            FileFault: it cannot be read on.
        """
        settled = self._age_s >= settled_s
        offset, line = self._state.get("offset", 0), self._state.get("line", 0)
        if self._kind == ".parquet":
            yield from self._parquet_rows(offset, settled=settled)
            return
        if "began" in self._state and self._continues(offset):
            offset, line = self._state["began"]
        if self._kind == ".jsonl":
            yield from json_rows(Lines(self._file, offset, line, settled=settled), self._columns)
            return
        lines = Lines(self._file, 0, 0, settled=settled)
        header = csv_header(lines, self._columns)
        if header is not None:
            if offset:
                lines = Lines(self._file, offset, line, settled=settled)
            yield from csv_rows(lines, *header)

    def take(self, rows: Iterator[Row], wanted: Callable[[str], bool]) -> Batch | None:
        """The next batch of those `rows` whose text is `wanted`; None at their end."""
        batch = Batch()
        row, looked_at, began = None, 0, self._state.get("offset", 0)
        try:
            for row in rows:
                looked_at += 1
                self._sort(row, wanted, batch)
                if (
                    looked_at == BATCH_ROWS
                    or len(batch.posts) == BATCH_POSTS
                    or row.end - began >= BATCH_BYTES
                ):
                    break
        except FileFault as fault:
            batch.fault = fault
        except OSError as error:
            batch.fault = FileFault(f"cannot be read on ({error.strerror})")
        if row is not None:
            self._state = batch.state = self._after(row)
        return batch if looked_at or batch.fault else None

    def _sort(self, row: Row, wanted: Callable[[str], bool], batch: Batch) -> None:
        if row.fields is None:
            batch.refused.append((row.number, row.fault))
        elif wanted(self._columns.text_of(row.fields)):
            try:
                post = post_of(
                    row.fields, self._columns, file=self._name, written_at=self.written_at
                )
            except InputError as error:
                batch.refused.append((row.number, str(error)))
            else:
                batch.posts.append((post, self._after(row)))

    def _parquet_rows(self, start: int, *, settled: bool) -> Iterator[Row]:
        try:
            from ingestion.files.parquet_rows import parquet_rows  # noqa: PLC0415  an extra brings it
        except ModuleNotFoundError as error:
            raise FileFault(
                "needs pyarrow, which is not installed: pip install 'barometer[ops]'"
            ) from error
        try:
            yield from parquet_rows(self._file, self._columns, start)
        except FileFault as fault:
            if settled or fault.__cause__ is None:
                raise

    def _after(self, row: Row) -> State:
        state = self._known | {"offset": row.end, "line": row.line}
        if self._kind != ".parquet":
            state |= {"head": self._mark(0, min(MARKED, row.end)), "tail": self._tail(row.end)}
        return state | ({"began": list(row.began)} if row.began else {})

    def _is_same(self, state: State) -> bool:
        if not state or state["inode"] != self._known["inode"]:
            return False
        if self._known == {name: state[name] for name in self._known}:
            return True
        offset = state["offset"]
        grew = self._known["size"] > state["size"] and self._kind != ".parquet"
        return grew and (
            state["head"] == self._mark(0, min(MARKED, offset))
            and state["tail"] == self._tail(offset)
        )

    def _continues(self, offset: int) -> bool:
        """Whether a line that was taken for finished goes on after all."""
        return os.pread(self._file.fileno(), 1, offset) not in (b"", b"\n", b"\r")

    def _tail(self, end: int) -> str:
        begin = max(0, end - MARKED)
        return self._mark(begin, end - begin)

    def _mark(self, begin: int, size: int) -> str:
        content = os.pread(self._file.fileno(), size, begin)
        return hashlib.blake2b(content, digest_size=8).hexdigest()
