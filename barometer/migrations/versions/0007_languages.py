"""Counts know the language of their posts, and analyses which languages they counted.

What was counted before has no language: it is not known.

Revision ID: 0007
Revises: 0006
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

from barometer.tables import Json

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ROLLUPS = {"rollups": "minute", "hourly_rollups": "hour"}
SUMS = ("posts", "confidence_sum", "sentiment_sum")

LANGUAGE = "CASE hourly_rollups.language WHEN '' THEN 'unknown' ELSE hourly_rollups.language END"
NAMED = "(SELECT id, slug FROM events UNION ALL SELECT 0, 'all') AS named"
BY_HOUR = f"hourly_rollups JOIN {NAMED} ON named.id = hourly_rollups.event_id"
VIEWS = ("bi_emotion_share", "bi_confidence_by_emotion")
COMMENTS = {
    "event": "Slug of the event; all: every post, whatever its events",
    "hour": "Start of the hour in which the posts were written, UTC",
    "language": "ISO 639 code of the language of the posts; unknown: too short or mixed to tell",
    "emotion": "sadness, joy, love, anger, fear or surprise, as classified",
    "posts": "Posts of that event, hour, language and emotion; reposts count",
    "share": "Their share of the posts of that event, hour and language that have an emotion, 0-1",
    "confidence": "Mean calibrated probability of the emotion in these posts, 0 to 1",
}


def upgrade() -> None:
    _drop_views()
    for table, moment in ROLLUPS.items():
        with _anew(table) as batch_op:
            batch_op.add_column(
                sa.Column("language", sa.String(length=16), server_default="", nullable=False)
            )
            _set_key(batch_op, table, moment, "language")
    _create_views(by_language=True)
    op.add_column(
        "analyses",
        sa.Column("languages", sa.String(length=200), server_default="all", nullable=False),
    )
    op.add_column(
        "analyses", sa.Column("other_languages", Json, server_default="{}", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("analyses", "other_languages")
    op.drop_column("analyses", "languages")
    _drop_views()
    for table, moment in ROLLUPS.items():
        kept = f"event_id, {moment}, source, emotion, sentiment"
        sums = ", ".join(f"SUM({name}) AS {name}" for name in SUMS)
        op.execute(
            f"CREATE TEMPORARY TABLE merged AS SELECT {kept}, {sums} FROM {table} GROUP BY {kept}"  # noqa: S608
        )
        op.execute(f"DELETE FROM {table}")  # noqa: S608
        with _anew(table) as batch_op:
            _set_key(batch_op, table, moment)
            batch_op.drop_column("language")
        op.execute(f"INSERT INTO {table} SELECT * FROM merged ORDER BY {kept}")  # noqa: S608
        op.execute("DROP TABLE merged")
    _create_views(by_language=False)


@contextmanager
def _anew(table: str) -> Iterator[BatchOperations]:
    """Alter a table; SQLite makes it anew, its rows in their key's order."""
    how: dict[str, object] = {}
    if op.get_context().dialect.name != "postgresql":
        how = {"recreate": "always", "table_kwargs": {"sqlite_with_rowid": False}}
    with op.batch_alter_table(table, schema=None, **how) as batch_op:  # type: ignore[arg-type]
        yield batch_op


def _set_key(batch_op: BatchOperations, table: str, moment: str, *more: str) -> None:
    name = op.f(f"pk_{table}")
    batch_op.drop_constraint(name, type_="primary")
    batch_op.create_primary_key(name, ["event_id", moment, "source", "emotion", "sentiment", *more])


def _drop_views() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")


def _create_views(*, by_language: bool) -> None:
    """The views for BI tools; SQLite refuses to alter what a view reads."""
    named = f", {LANGUAGE} AS language" if by_language else ""
    key = f", {LANGUAGE}" if by_language else ""
    group = f"named.slug, hourly_rollups.hour{key}"
    figures = {
        "bi_emotion_share": "CAST(SUM(hourly_rollups.posts) AS DOUBLE PRECISION)"
        f" / SUM(SUM(hourly_rollups.posts)) OVER (PARTITION BY {group}) AS share",
        "bi_confidence_by_emotion": "SUM(hourly_rollups.confidence_sum)"
        " / SUM(hourly_rollups.posts) AS confidence",
    }
    for view, figure in figures.items():
        op.execute(
            f"CREATE VIEW {view} AS SELECT named.slug AS event, hourly_rollups.hour AS hour{named},"  # noqa: S608
            " hourly_rollups.emotion AS emotion, SUM(hourly_rollups.posts) AS posts,"
            f" {figure} FROM {BY_HOUR} WHERE hourly_rollups.emotion <> ''"
            f" GROUP BY {group}, hourly_rollups.emotion"
        )
        if op.get_context().dialect.name == "postgresql":
            columns = ["event", "hour", *(["language"] if by_language else []), "emotion", "posts"]
            for column in (*columns, figure.rsplit(" ", 1)[1]):
                op.execute(f"COMMENT ON COLUMN {view}.{column} IS '{COMMENTS[column]}'")
