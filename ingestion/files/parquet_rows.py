"""Rows of a Parquet file from one on, a few at a time. Needs pyarrow."""

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.files.row_lines import FileFault, Row
from ingestion.files.row_posts import Columns
from ingestion.files.text_rows import check_columns

MOST_ROWS: Final = 256
"""Rows decoded together."""
MOST_BYTES: Final = 8_000_000
"""Bytes of such rows, as the file says how large a row is on average."""
READ_AHEAD: Final = 1_000_000


def parquet_rows(file: BinaryIO, columns: Columns, start: int) -> Iterator[Row]:
    """The rows from `start` on.

    Raises:
        FileFault: it lacks a column, or is no whole Parquet file.
    """
    try:
        content = pq.ParquetFile(file, buffer_size=READ_AHEAD, pre_buffer=False)
        names = content.schema_arrow.names
        check_columns(columns, names)
        # A row without an id of its own is known by all that it holds.
        has_id = columns.column("id") in names
        read = [name for name in names if name in columns.wanted] if has_id else names
        yield from _rows(content, read, start)
    except (pa.ArrowException, OSError) as error:
        raise FileFault("is no whole Parquet file: write it again") from error


def _rows(content: Any, names: list[str], start: int) -> Iterator[Row]:
    sizes = [content.metadata.row_group(index) for index in range(content.metadata.num_row_groups)]
    largest = max((group.total_byte_size / max(1, group.num_rows) for group in sizes), default=1)
    together = int(max(1, min(MOST_ROWS, MOST_BYTES / max(1, largest))))
    before = 0
    for index, group in enumerate(sizes):
        if before + group.num_rows > start:
            number = before
            batches = content.iter_batches(together, row_groups=[index], columns=names)
            for batch in batches:
                if number + batch.num_rows > start:
                    skipped = max(0, start - number)
                    for place, fields in enumerate(_plain(batch.slice(skipped)), number + skipped):
                        yield Row(place + 1, fields, "", place + 1, place + 1)
                number += batch.num_rows
        before += group.num_rows


def _plain(batch: Any) -> list[dict[str, Any]]:
    """Rows of Python's own values; a time's nanoseconds are cut off, which Python's lacks."""
    kinds = [
        pa.field(f.name, pa.timestamp("us", f.type.tz)) if pa.types.is_timestamp(f.type) else f
        for f in batch.schema
    ]
    table = pa.Table.from_batches([batch]).cast(pa.schema(kinds), safe=False)
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
