"""Rows of csv and jsonl files from a place on; never more than one in memory.

Python's csv reads them rather than pandas: it tells after each row how far it has read, so a
reading goes on in the middle of a file without parsing what lies before.
"""

import contextlib
import csv
from collections.abc import Iterator
from typing import Final

import orjson

from ingestion.files.row_lines import FileFault, Lines, Row, TooLongError
from ingestion.files.row_posts import Columns

DELIMITERS: Final = ",;\t"
"""Tried in this order: the first under which the header has the needed columns."""


def csv_header(lines: Lines, columns: Columns) -> tuple[list[str], str] | None:
    """The names in the first row and what separates them; None while there is no whole row.

    Raises:
        FileFault: a needed column is missing, or the row cannot be read.
    """
    content = _first_row(lines)
    if not content:
        return None
    headers = []
    for delimiter in DELIMITERS:
        with contextlib.suppress(csv.Error):
            fields = next(csv.reader([content], strict=True, delimiter=delimiter))
            headers.append(([name.strip() for name in fields], delimiter))
    if not headers:
        raise FileFault("line 1 cannot be read as the names of columns: correct its quotes")
    for names, delimiter in headers:
        if not columns.lacking(names):
            return names, delimiter
    check_columns(columns, headers[0][0])
    raise AssertionError("a column is lacking")


def _first_row(lines: Lines) -> str:
    try:
        content = next(lines, "")
        while content.count('"') % 2:  # within a quoted name
            content += next(lines)
    except StopIteration:
        return content if lines.is_settled else ""
    except TooLongError as error:
        raise FileFault("line 1 is too long for the names of columns") from error
    return content


def csv_rows(lines: Lines, names: list[str], delimiter: str) -> Iterator[Row]:
    """The rows from where `lines` stand; one that cannot be read says so.

    Raises:
        FileFault: it is not UTF-8.
    """
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
    while True:
        lines.begin()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except (csv.Error, TooLongError) as error:
            if lines.ended and not lines.is_settled:
                return  # the rest of a quoted field is still to be written
            lines.back_to_second_line()
            reader = csv.reader(lines, strict=True, delimiter=delimiter)
            long = isinstance(error, TooLongError) or "limit" in str(error)
            fault = "is too long" if long else "its quotes do not match"
            yield lines.row(None, fault)
            continue
        if len(fields) == len(names):
            yield lines.row(dict(zip(names, fields, strict=True)))
        elif fields:  # an empty line is none
            yield lines.row(None, f"has {len(fields)} columns, the header {len(names)}")


def json_rows(lines: Lines, columns: Columns) -> Iterator[Row]:
    """The objects from where `lines` stand, one a line; what is none says so.

    Raises:
        FileFault: it is not UTF-8, or its first object has no text.
    """
    while True:
        lines.begin()
        try:
            line = next(lines, None)
        except TooLongError:
            yield lines.row(None, "is too long")
            continue
        if line is None:
            return
        if not line.strip():
            continue
        try:
            content = orjson.loads(line)
        except orjson.JSONDecodeError:
            content = None
        good = isinstance(content, dict)
        if good and lines.first == 1:
            check_columns(columns.only_text, list(content))
        yield lines.row(content if good else None, "" if good else "is no JSON object")


def check_columns(columns: Columns, present: list[str]) -> None:
    """Refuse a file without a column that must be there.

    Raises:
        FileFault: it names the column and the setting.
    """
    lacking = columns.lacking(present)
    if lacking:
        names = " and ".join(repr(name) for name in lacking)
        raise FileFault(
            f"has no column {names}: name the columns that it has in BAROMETER_FILES_COLUMNS, such "
            "as text=review"
        )
