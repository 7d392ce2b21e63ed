"""The files of a watched folder, and what in it is not followed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from barometer.errors import SourceError
from ingestion.files.row_files import KINDS

MOST_FILES: Final = 5_000
"""Files that are watched: how far each is read is kept in one row of the database."""


@dataclass(frozen=True)
class WatchedFile:
    """One file to read."""

    path: Path
    name: str
    """Within the folder, with `/` between its parts."""

    @property
    def folder(self) -> str:
        """The first subfolder that it lies in; empty at the top."""
        return self.name.partition("/")[0] if "/" in self.name else ""


@dataclass
class Watched:
    """What lies in the folder."""

    files: list[WatchedFile] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What is refused, and why."""


def watch(folder: str) -> Watched:
    """The files of the folder and its subfolders, by name; hidden ones are left out.

    Links are not followed: one to another file of the folder would give its rows twice, and one
    that leads out of the folder is refused.

    Raises:
        SourceError: there is no such folder.
    """
    root = Path(folder).expanduser().resolve()
    if not root.is_dir():
        raise SourceError(
            "files: there is no such folder as BAROMETER_FILES_DIR names: make it, or correct the "
            "setting."
        )
    found = Watched()
    for path in _entries(root):
        name = _printable(path.relative_to(root).as_posix())
        if path.is_symlink():
            if not path.resolve().is_relative_to(root):
                found.faults.append(f"{name}: is a link out of the folder, and is not followed")
        elif path.suffix.lower() in KINDS and path.is_file():
            found.files.append(WatchedFile(path, name))
    if len(found.files) > MOST_FILES:
        found.faults.append(
            f"only the first {MOST_FILES:,} of {len(found.files):,} files are read: move those "
            "that are done out of the folder"
        )
        del found.files[MOST_FILES:]
    return found


def _entries(root: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in sorted([*files, *links]):
            if not name.startswith("."):
                yield Path(place, name)


def _printable(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name)
