"""Authors in collected posts: a person's rows removed, or names hidden."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa

from barometer.authors import Authors
from barometer.collection import rewrite
from barometer.person import Person

NAMES: Final = ("id", "author", "url", "metadata")
"""Columns that may hold a name."""


def remove_rows(folder: Path, person: Person, *, only_count: bool) -> Iterator[int]:
    """Remove, or only count, a person's rows; yields how many each file had."""

    def change(source: str, rows: pa.Table) -> pa.Table | None:
        keep = [not person.wrote(source, author) for author in _column(rows, "author")]
        return None if all(keep) else rows.filter(pa.array(keep))

    return rewrite(folder, change, only_count=only_count)


def hide_names(folder: Path, authors: Authors) -> Iterator[int]:
    """Keep names as the settings say; yields a number for each file."""

    def change(source: str, rows: pa.Table) -> pa.Table | None:
        before = list(zip(*(_column(rows, name) for name in NAMES), strict=True))
        after = [_hidden(authors, source, *fields) for fields in before]
        if after == before:
            return None
        for name, values in zip(NAMES, zip(*after, strict=True), strict=True):
            index = rows.schema.get_field_index(name)
            field = rows.schema.field(index)
            rows = rows.set_column(index, field, pa.array(values, type=field.type))
        return rows

    return rewrite(folder, change)


def _hidden(
    authors: Authors, source: str, number: str, author: str | None, url: str | None, metadata: str
) -> tuple[Any, ...]:
    read = orjson.loads(metadata)
    *others, kept = authors.hidden_fields(source, number, author, url, read)
    return *others, metadata if kept == read else orjson.dumps(kept).decode()


def _column(rows: pa.Table, name: str) -> list[Any]:
    values: list[Any] = rows.column(name).to_pylist()
    return values
