"""Counts by hour and of keywords by day, and the views that BI tools read (`docs/bi.md`).

SQLite refuses to make `events` anew while views read it: a later migration that does so drops them
first.

Revision ID: 0005
Revises: 0004
"""

from collections import Counter

import sqlalchemy as sa
from alembic import op

from barometer.tables import Json, UtcTime
from barometer.text import mentions

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NAMED = "(SELECT id, slug FROM events UNION ALL SELECT 0, 'all') AS named"
BY_HOUR = f"hourly_rollups JOIN {NAMED} ON named.id = hourly_rollups.event_id"
VIEWS = {
    "bi_emotion_share": f"""
        SELECT named.slug AS event, hourly_rollups.hour AS hour, hourly_rollups.emotion AS emotion,
               SUM(hourly_rollups.posts) AS posts,
               CAST(SUM(hourly_rollups.posts) AS DOUBLE PRECISION)
                   / SUM(SUM(hourly_rollups.posts)) OVER (
                       PARTITION BY named.slug, hourly_rollups.hour
                   ) AS share
        FROM {BY_HOUR}
        WHERE hourly_rollups.emotion <> ''
        GROUP BY named.slug, hourly_rollups.hour, hourly_rollups.emotion""",  # noqa: S608
    "bi_confidence_by_emotion": f"""
        SELECT named.slug AS event, hourly_rollups.hour AS hour, hourly_rollups.emotion AS emotion,
               SUM(hourly_rollups.posts) AS posts,
               SUM(hourly_rollups.confidence_sum) / SUM(hourly_rollups.posts) AS confidence
        FROM {BY_HOUR}
        WHERE hourly_rollups.emotion <> ''
        GROUP BY named.slug, hourly_rollups.hour, hourly_rollups.emotion""",  # noqa: S608
    "bi_keywords_by_day": """
        SELECT events.slug AS event, keyword_days.day AS day, keyword_days.keyword AS keyword,
               keyword_days.posts AS posts
        FROM keyword_days JOIN events ON events.id = keyword_days.event_id""",
}
COMMENTS = {
    "bi_emotion_share": {
        "event": "Slug of the event; all: every post, whatever its events",
        "hour": "Start of the hour in which the posts were written, UTC",
        "emotion": "sadness, joy, love, anger, fear or surprise, as classified",
        "posts": "Posts of that event, hour and emotion; reposts count",
        "share": "Their share of the posts of that event and hour that have an emotion, 0 to 1",
    },
    "bi_confidence_by_emotion": {
        "event": "Slug of the event; all: every post, whatever its events",
        "hour": "Start of the hour in which the posts were written, UTC",
        "emotion": "sadness, joy, love, anger, fear or surprise, as classified",
        "posts": "Posts of that event, hour and emotion; reposts count",
        "confidence": "Mean calibrated probability of the emotion in these posts, 0 to 1",
    },
    "bi_keywords_by_day": {
        "event": "Slug of the event",
        "day": "Day on which the posts were written, UTC",
        "keyword": "A keyword of the event",
        "posts": "Posts of the event and day that mention it as whole words; reposts count",
    },
}


def upgrade() -> None:
    op.create_table(
        "hourly_rollups",
        sa.Column("event_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hour", UtcTime(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("emotion", sa.String(length=16), nullable=False),
        sa.Column("sentiment", sa.String(length=16), nullable=False),
        sa.Column("posts", sa.Integer(), nullable=False),
        sa.Column("confidence_sum", sa.Float(), nullable=False),
        sa.Column("sentiment_sum", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint(
            "event_id", "hour", "source", "emotion", "sentiment", name=op.f("pk_hourly_rollups")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_hourly_rollups_hour", "hourly_rollups", ["hour"])
    op.create_table(
        "keyword_days",
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("keyword", sa.String(length=100), nullable=False),
        sa.Column("posts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_keyword_days_event_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("event_id", "day", "keyword", name=op.f("pk_keyword_days")),
        sqlite_with_rowid=False,
    )
    _fill_hours()
    _fill_keywords(op.get_bind())
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {query}")
        if op.get_context().dialect.name == "postgresql":
            for column, meaning in COMMENTS[name].items():
                op.execute(f"COMMENT ON COLUMN {name}.{column} IS '{meaning}'")


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    op.drop_table("keyword_days")
    op.drop_table("hourly_rollups")


def _fill_hours() -> None:
    hour = "substr(minute, 1, 13) || ':00:00.000000'"
    if op.get_context().dialect.name == "postgresql":
        hour = "date_trunc('hour', minute AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
    op.execute(
        f"INSERT INTO hourly_rollups SELECT event_id, {hour}, source, emotion, sentiment,"  # noqa: S608
        " SUM(posts), SUM(confidence_sum), SUM(sentiment_sum) FROM rollups GROUP BY 1, 2, 3, 4, 5"
    )


def _fill_keywords(connection: sa.Connection) -> None:
    events = sa.table("events", sa.column("id"), sa.column("keywords", Json))
    links = sa.table(
        "post_events", sa.column("event_id"), sa.column("post_id"),
        sa.column("created_at", UtcTime()),
    )  # fmt: skip
    posts = sa.table("posts", sa.column("id"), sa.column("text"))
    days = sa.table("keyword_days", *map(sa.column, ("event_id", "keyword", "posts")),
                    sa.column("day", sa.Date()))  # fmt: skip
    for event_id, keywords in connection.execute(sa.select(events)).all():
        said = (
            sa.select(links.c.created_at, posts.c.text)
            .join_from(links, posts, posts.c.id == links.c.post_id)
            .where(links.c.event_id == event_id)
        )
        counts = Counter(
            (created_at.date(), keyword)
            for created_at, text in connection.execute(said, execution_options={"yield_per": 1_000})
            for keyword in keywords
            if mentions(keyword).search(text)
        )
        rows = [
            {"event_id": event_id, "day": day, "keyword": keyword, "posts": number}
            for (day, keyword), number in counts.items()
        ]
        if rows:
            connection.execute(sa.insert(days), rows)
