"""What people see on a terminal: tables, progress, and one clear line on error."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


def print_json(content: Any) -> None:
    """JSON for machines, on standard output; times in ISO 8601."""
    sys.stdout.write(json.dumps(content, indent=2, default=str) + "\n")


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, to_people: bool = False
) -> None:
    """An aligned table; numbers to the right. Cells are text, never markup.

    `to_people`: on standard error, for what is told on the way to a result.
    """
    table = Table(title=Text(title, style="bold"), title_justify="left", header_style="bold")
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    (err if to_people else out).print(table)


def print_line(line: str, *, to_people: bool = False) -> None:
    """One line on standard output; on standard error when it accompanies a result."""
    (err if to_people else out).print(Text(line))


def print_error(line: str) -> None:
    """One line on standard error."""
    err.print(Text("error: ", style="bold red") + Text(line))


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
    return f"{value:.4f}" if isinstance(value, float) else str(value)
