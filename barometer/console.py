"""What people see on a terminal: tables, progress, and one clear line on error."""

import json
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from rich.cells import set_cell_size
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)
JOINERS: Final = "\u200c\u200d"
"""The only invisible characters that are shown: Persian, Indian scripts and emoji need them."""
MOST_MARKS: Final = 4
"""Marks upon one letter, or characters of one sign, that are shown."""


def print_json(content: Any) -> None:
    """JSON for machines, on standard output; times in ISO 8601."""
    sys.stdout.write(json.dumps(content, indent=2, default=str) + "\n")


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, to_people: bool = False
) -> None:
    """An aligned table; numbers to the right. Cells are text, never markup.

    `to_people`: on standard error, for what is told on the way to a result.
    """
    table = Table(
        title=Text(harmless(title), style="bold"), title_justify="left", header_style="bold"
    )
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    (err if to_people else out).print(table)


def print_line(line: str, *, to_people: bool = False) -> None:
    """One line on standard output; on standard error when it accompanies a result."""
    (err if to_people else out).print(Text(harmless(line)))


def print_error(line: str) -> None:
    """One line on standard error."""
    err.print(Text("error: ", style="bold red") + Text(harmless(line)))


def harmless(text: str) -> str:
    """`text` as a terminal may show it: what it would obey, or hide, is shown as �.

    That is control characters and escape sequences' beginnings, marks that turn the direction of
    what follows, other invisible characters, and halves of pairs; lines and tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t" or _is_shown(c) else "�" for c in text)


def one_line(text: str, width: int | None = None) -> str:
    """`text` harmless and in one line, cut to `width` columns of a terminal with … at its end.

    Marks heaped upon one letter, which would cover the lines above, are left out.
    """
    shown: list[str] = []
    heaped = 0
    for character in harmless(" ".join(text.split())):
        heaped = heaped + 1 if unicodedata.combining(character) else 0
        if heaped <= MOST_MARKS:
            shown.append(character)
        if width and len(shown) > width * (MOST_MARKS + 1):
            break
    line = "".join(shown)
    if width is None or Text(line).cell_len <= width:
        return line
    return f"{set_cell_size(line, width - 1).rstrip()}…"


def ago(moment: datetime | None) -> str | None:
    """How long ago, short: people look for what is stale."""
    if moment is None:
        return None
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return "now" if seconds > -60 else f"{moment:%Y-%m-%d}"


@contextmanager
def progress(label: str) -> Iterator[tuple[Progress, Any]]:
    """A progress bar on standard error; a few plain lines where that is no terminal."""
    bar = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=err,
        transient=True,  # what stays is the result, or one line on error
    )
    with bar:
        yield bar, bar.add_task(label, total=None, note="")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else harmless(str(value))


def _is_shown(character: str) -> bool:
    category = unicodedata.category(character)
    return character in JOINERS or not category.startswith(("C", "Zl", "Zp"))
