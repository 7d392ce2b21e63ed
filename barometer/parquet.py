"""Stored posts as one Parquet file with typed columns, written in bounded memory.

`docs/bi.md` lists the columns. Needs pyarrow, which the `ops` extra brings.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine, Select, Text, cast, func, select

from barometer.feed import events_of_posts
from barometer.labels import EMOTIONS, SENTIMENTS
from barometer.tables import PostEventRow, PostRow
from barometer.whole_file import whole_file

CHUNK: Final = 10_000
"""Posts that are in memory at a time, about 60 MB; one row group of the file."""
TIME: Final = pa.timestamp("us", tz="UTC")


def _probabilities(names: Sequence[str]) -> pa.DataType:
    return pa.struct([pa.field(name, pa.float64(), nullable=False) for name in names])


COLUMNS: Final[tuple[tuple[str, pa.DataType, Any], ...]] = (
    ("post_id", pa.int64(), PostRow.id),
    ("source", pa.string(), PostRow.source),
    ("id", pa.string(), PostRow.external_id),
    ("text", pa.string(), PostRow.text),
    ("author", pa.string(), PostRow.author),
    ("location", pa.string(), PostRow.location),
    ("url", pa.string(), PostRow.url),
    ("metadata", pa.string(), cast(PostRow.details, Text)),
    ("created_at", TIME, PostRow.created_at),
    ("scored_at", TIME, PostRow.scored_at),
    ("emotion", pa.string(), PostRow.emotion),
    ("confidence", pa.float64(), PostRow.confidence),
    ("emotions", _probabilities(EMOTIONS), PostRow.emotions),
    ("sentiment", pa.string(), PostRow.sentiment),
    ("sentiment_confidence", pa.float64(), PostRow.sentiment_confidence),
    ("sentiments", _probabilities(SENTIMENTS), PostRow.sentiments),
    ("sentiment_score", pa.float64(), PostRow.sentiment_score),
    ("model_version", pa.string(), PostRow.model_version),
    ("language", pa.string(), PostRow.language),
    ("repost_of", pa.int64(), PostRow.repost_of),
    ("may_train", pa.bool_(), PostRow.may_train),
)
SCHEMA: Final = pa.schema([*((name, kind) for name, kind, _ in COLUMNS),
                           ("events", pa.list_(pa.string()))])  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """Which posts are exported: all, unless a field says otherwise."""

    event_id: int | None = None
    since: datetime | None = None
    """Written at this moment or later."""
    until: datetime | None = None
    """Written before this moment."""

    def limit(self, statement: Select[Any]) -> Select[Any]:
        """The statement, which selects from posts, with these bounds."""
        moment: Any = PostRow.created_at
        if self.event_id is not None:
            moment = PostEventRow.created_at
            statement = statement.join(PostEventRow, PostEventRow.post_id == PostRow.id).where(
                PostEventRow.event_id == self.event_id
            )
        if self.since is not None:
            statement = statement.where(moment >= self.since)
        if self.until is not None:
            statement = statement.where(moment < self.until)
        return statement


def count_chosen(engine: Engine, chosen: Chosen) -> int:
    """How many posts an export writes."""
    with engine.connect() as connection:
        statement = chosen.limit(select(func.count()).select_from(PostRow))
        return connection.scalar(statement) or 0


def export_posts(
    engine: Engine, path: Path, chosen: Chosen, progress: Callable[[int], object]
) -> int:
    """Write posts to `path`, the oldest first, and return how many.

    The file appears, or takes the place of an older one, once it is whole. `progress` is told how
    many posts each part had.

    Raises:
        StorageError: the file cannot be written.
    """
    written = 0
    with whole_file(path) as part, pq.ParquetWriter(part, SCHEMA, compression="zstd") as writer:
        for batch in _batches(engine, chosen):
            writer.write_batch(batch)
            written += batch.num_rows
            progress(batch.num_rows)
    return written


def _batches(engine: Engine, chosen: Chosen) -> Iterator[pa.RecordBatch]:
    moment: Any = PostRow.created_at if chosen.event_id is None else PostEventRow.created_at
    statement = chosen.limit(select(*(source for _, _, source in COLUMNS))).order_by(moment)
    streaming = {"yield_per": CHUNK}
    with (
        engine.connect() as connection,
        connection.execute(statement, execution_options=streaming) as found,
    ):
        for rows in found.partitions():
            events = events_of_posts(engine, [row[0] for row in rows])
            values: list[Any] = [*zip(*rows, strict=True), [events.get(r[0], []) for r in rows]]
            columns = [pa.array(v, type=f.type) for v, f in zip(values, SCHEMA, strict=True)]
            yield pa.record_batch(columns, schema=SCHEMA)
