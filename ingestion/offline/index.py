"""What is in the collection, and how far each source was read for it: a SQLite file in its folder.

Its name begins with a dot, so that who reads the folder as one data set passes over it. The files
are the truth. One that is new or has changed since the index saw it (its writer was
killed before the index could follow, or somebody put it there) is read into the index first; of one
that is gone the marks stay, so that what was deleted is not collected again.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import orjson
import pyarrow as pa

from barometer.collection import add, locked, parts, read_part, remove_torn
from barometer.errors import StorageError
from barometer.posts import Post
from barometer.text import fingerprint
from ingestion.source import Position

TABLES: Final = """
CREATE TABLE IF NOT EXISTS marks (mark BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS positions (
    source TEXT, event TEXT, position BLOB NOT NULL, until TEXT, PRIMARY KEY (source, event)
);
"""
LOCK_S: Final = 60.0
"""Longest that somebody else's writing is waited for."""


class CollectionIndex:
    """The collection in `folder`; one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Looks whether the files have changed since somebody last did.

        Raises:
            StorageError: the folder cannot be written, or a file in it cannot be read.
        """
        self._folder = folder
        with _explained(folder), locked(folder):
            remove_torn(folder)
            self._file = sqlite3.connect(
                folder / ".index.db", timeout=LOCK_S, isolation_level=None, check_same_thread=False
            )
            self._file.executescript(f"PRAGMA journal_mode=WAL; {TABLES}")
        with self._writing():
            self._follow_files()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def position_of(self, source: str, event: str) -> tuple[Position, datetime | None]:
        """The saved position, and until when the source is to be left alone."""
        asked = "SELECT position, until FROM positions WHERE source = ? AND event = ?"
        row = self._file.execute(asked, (source, event)).fetchone()
        if row is None:
            return {}, None
        return orjson.loads(row[0]), datetime.fromisoformat(row[1]) if row[1] else None

    def new_among(self, posts: Sequence[Post], seen: set[bytes]) -> list[bool]:
        """Of each post whether neither it nor its text is there, or among the `seen` marks.

        `seen` then holds its marks, too.
        """
        new = []
        for post in posts:
            own = marks_of(post.source, post.id, post.text)
            new.append(seen.isdisjoint(own) and not any(map(self._has, own)))
            seen.update(own)
        return new

    def save(
        self,
        source: str,
        event: str,
        posts: Sequence[Post],
        position: Position,
        until: datetime | None,
        allowed: Callable[[Sequence[Post]], Sequence[Post]],
    ) -> int:
        """Add those of `posts` that are new and save the position; returns how many were added.

        `allowed` says which of them may be kept. It is asked when it is this writer's turn: who
        removes a person's rows meanwhile is through then, or finds what is added here.

        Both are there, or, where it is killed in between, the posts alone: they are known when
        they are read again.

        Raises:
            StorageError: a file cannot be written.
        """
        with self._writing():
            posts = allowed(posts)
            pairs = zip(posts, self.new_among(posts, set()), strict=True)
            new = [post for post, is_new in pairs if is_new]
            for path in add(self._folder, new):
                self._remember(path)
            self._mark((post.source, post.id, post.text) for post in new)
            row = (source, event, orjson.dumps(position), until.isoformat() if until else None)
            self._file.execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)", row)
        return len(new)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with _explained(self._folder), locked(self._folder):
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")

    def _follow_files(self) -> None:
        known = dict(self._file.execute("SELECT name, state FROM parts"))
        there = {self._name(path): path for path in parts(self._folder)}
        for name, path in there.items():
            if known.get(name) != _state(path):
                self._mark(read_part(path))
                self._remember(path)
        gone = [(name,) for name in known.keys() - there.keys()]
        self._file.executemany("DELETE FROM parts WHERE name = ?", gone)

    def _has(self, mark: bytes) -> bool:
        asked = "SELECT 1 FROM marks WHERE mark = ?"
        return self._file.execute(asked, (mark,)).fetchone() is not None

    def _mark(self, posts: Iterator[tuple[str, str, str]]) -> None:
        rows = ((mark,) for post in posts for mark in marks_of(*post))
        self._file.executemany("INSERT OR IGNORE INTO marks VALUES (?)", rows)

    def _remember(self, path: Path) -> None:
        row = (self._name(path), _state(path))
        self._file.execute("INSERT OR REPLACE INTO parts VALUES (?, ?)", row)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error, pa.ArrowException) as error:
        raise StorageError(
            f"collected posts: {folder} cannot be used "
            f"({getattr(error, 'strerror', None) or type(error).__name__}): make room there, or "
            "move away what is torn."
        ) from error


def marks_of(source: str, post_id: str, text: str) -> list[bytes]:
    """By what a post is known: its key, and its text, unless that is nothing but signs."""
    said = fingerprint(text)
    told = [f"key\0{source}\0{post_id}", *([f"text\0{said}"] if said else [])]
    return [hashlib.blake2b(each.encode(), digest_size=16).digest() for each in told]


def _state(path: Path) -> str:
    about = path.stat()
    return f"{about.st_size} {about.st_mtime_ns} {about.st_ino}"
