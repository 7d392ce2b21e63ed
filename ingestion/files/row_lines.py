"""The lines of a text file from a place on, bounded, and where each row that they make ends."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

MAX_ROW: Final = 1_000_000
"""Bytes of one row; a longer one is passed over. A text has at most 20,000 characters."""
SKIPPED: Final = 64 * 1024
"""Bytes read at a time of a line that is passed over."""
BOM: Final = b"\xef\xbb\xbf"


class FileFault(Exception):  # noqa: N818  a fault of one file; the others are read on
    """A file cannot be read on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row, or why there is none; `end` and `line` say how far the file is read after it."""

    number: int
    """The line it begins in, from 1; of a parquet file, the row."""
    fields: Mapping[str, Any] | None
    fault: str
    end: int
    """Bytes; of a parquet file, rows."""
    line: int
    """Lines before `end`."""
    began: tuple[int, int] | None = None
    """If its last line has no end, so that more may come: where it began, and the lines before."""


class TooLongError(Exception):
    """A row is longer than `MAX_ROW`."""


class Lines:
    """Lines of a UTF-8 file as text; it ends before a last line that may still be written."""

    def __init__(self, file: BinaryIO, offset: int, number: int, *, settled: bool) -> None:
        """`number` lines lie before `offset`; `settled`: nobody writes to the file any more."""
        self._file, self.offset, self.number = file, offset, number
        self.is_settled = settled
        self.ended = False
        self.is_unfinished = False
        file.seek(offset)
        self.begin()

    def begin(self) -> None:
        """A row begins here."""
        self.start, self.first = self.offset, self.number + 1
        self._second: tuple[int, int] | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        left = MAX_ROW - (self.offset - self.start)
        content = self._file.readline(max(0, left) + 1)
        if len(content) > left:
            self._advance(len(content))
            if self._second is None:
                self._skip_rest(content)
                self._second = self.offset, self.number
            raise TooLongError
        whole = content.endswith(b"\n")
        if not content or not (whole or self.is_settled):
            self.ended = True
            raise StopIteration
        self.is_unfinished = not whole
        self._advance(len(content))
        self._second = self._second or (self.offset, self.number)
        if self.number == 1:
            content = content.removeprefix(BOM)
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise FileFault(
                f"line {self.number} is not UTF-8: save the file as UTF-8, and it is read anew"
            ) from error

    def back_to_second_line(self) -> None:
        """The row's first line spoils it: what follows may be rows of its own."""
        self.offset, self.number = self._second or (self.offset, self.number)
        self._file.seek(self.offset)
        self.ended = False

    def row(self, fields: Mapping[str, Any] | None, fault: str = "") -> Row:
        """What was read since `begin`."""
        began = (self.start, self.first - 1) if self.is_unfinished else None
        return Row(self.first, fields, fault, self.offset, self.number, began)

    def _advance(self, size: int) -> None:
        self.offset += size
        self.number += 1

    def _skip_rest(self, content: bytes) -> None:
        while content and not content.endswith(b"\n"):
            content = self._file.readline(SKIPPED)
            self.offset += len(content)
