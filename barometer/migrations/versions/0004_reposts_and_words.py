"""Posts know what they repeat and the words by which they are found.

SQLite's index of words is a table of its own, kept by triggers on `posts`. A later migration that
makes `posts` anew there must make the triggers anew, too.

Revision ID: 0004
Revises: 0003
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

from barometer.errors import SettingsError
from barometer.reposts import text_hash
from barometer.tables import Words
from barometer.words import indexed

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CHUNK = 2_000
FIRSTS = sa.text("repost_of IS NULL")
REPEATING = sa.text("repost_of IS NOT NULL")
REPOSTS = {"posts": ["repost_of"], "post_events": ["repost_of", "event_id"]}

# The row's number: the second, as far as 32 bits hold it, and the id in the lower 31 bits.
NUMBER = (
    "((max(-4294967295, min(4294967295, CAST(strftime('%s', {row}.created_at) AS INTEGER))) << 31)"
    " | {row}.id)"
)
NEW, OLD = NUMBER.format(row="new"), NUMBER.format(row="old")
ADD = f"INSERT INTO post_words (rowid, words) VALUES ({NEW}, new.words);"  # noqa: S608
REMOVE = f"INSERT INTO post_words (post_words, rowid, words) VALUES ('delete', {OLD}, old.words);"  # noqa: S608
TRIGGERS = {
    "post_words_added": f"AFTER INSERT ON posts BEGIN {ADD} END",
    "post_words_removed": f"AFTER DELETE ON posts BEGIN {REMOVE} END",
    "post_words_changed": (
        f"AFTER UPDATE OF id, created_at, words ON posts BEGIN {REMOVE} {ADD} END"
    ),
}


def upgrade() -> None:
    with op.batch_alter_table("posts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("text_hash", sa.BigInteger()))
        batch_op.add_column(sa.Column("repost_of", sa.Integer()))
        batch_op.add_column(sa.Column("words", Words, server_default="", nullable=False))
        batch_op.create_foreign_key(
            op.f("fk_posts_repost_of"), "posts", ["repost_of"], ["id"], ondelete="SET NULL"
        )
    with _anew("post_events") as batch_op:
        batch_op.add_column(sa.Column("emotion", sa.String(length=16)))
        batch_op.add_column(sa.Column("repost_of", sa.Integer()))
        batch_op.create_foreign_key(
            op.f("fk_post_events_repost_of"), "posts", ["repost_of"], ["id"], ondelete="SET NULL"
        )
    with _anew("rollups"):
        pass
    _fill()
    _create_indexes()


def downgrade() -> None:
    _drop_indexes()
    if op.get_context().dialect.name != "postgresql":
        with op.batch_alter_table("rollups", schema=None, recreate="always"):
            pass
    with op.batch_alter_table("post_events", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("fk_post_events_repost_of"), type_="foreignkey")
        batch_op.drop_column("repost_of")
        batch_op.drop_column("emotion")
    with op.batch_alter_table("posts", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("fk_posts_repost_of"), type_="foreignkey")
        batch_op.drop_column("words")
        batch_op.drop_column("repost_of")
        batch_op.drop_column("text_hash")


def _anew(table: str) -> AbstractContextManager[BatchOperations]:
    """Alter a table; SQLite makes it anew, its rows in their key's order."""
    if op.get_context().dialect.name == "postgresql":
        return op.batch_alter_table(table, schema=None)
    kept = {"sqlite_with_rowid": False}
    return op.batch_alter_table(table, schema=None, recreate="always", table_kwargs=kept)


def _fill() -> None:
    """Give stored posts their words and hashes; texts that repeat were not stored until now."""
    connection = op.get_bind()
    update = sa.text("UPDATE posts SET text_hash = :hash, words = :words WHERE id = :id")
    for rows in _texts(connection):
        connection.execute(update, rows)
    op.execute(
        "UPDATE post_events SET emotion ="
        " (SELECT emotion FROM posts WHERE posts.id = post_events.post_id)"
    )


def _texts(connection: sa.Connection) -> Iterator[list[dict[str, object]]]:
    posts = sa.table("posts", sa.column("id"), sa.column("text"))
    last = 0
    while True:
        page = sa.select(posts).where(posts.c.id > last).order_by(posts.c.id).limit(CHUNK)
        rows = connection.execute(page).all()
        if not rows:
            return
        yield [
            {"id": number, "hash": text_hash(text), "words": indexed(text)} for number, text in rows
        ]
        last = rows[-1].id


def _create_indexes() -> None:
    op.create_index("ix_posts_emotion_created_at", "posts", ["emotion", "created_at"])
    op.create_index(
        "ix_posts_text_hash_created_at", "posts", ["text_hash", "created_at"],
        sqlite_where=FIRSTS, postgresql_where=FIRSTS,
    )  # fmt: skip
    op.create_index(
        "ix_post_events_event_id_emotion_created_at", "post_events",
        ["event_id", "emotion", "created_at"],
    )  # fmt: skip
    for table, columns in REPOSTS.items():
        op.create_index(
            f"ix_{table}_{'_'.join(columns)}", table, columns,
            sqlite_where=REPEATING, postgresql_where=REPEATING,
        )  # fmt: skip
    if op.get_context().dialect.name == "postgresql":
        op.create_index("ix_posts_words", "posts", ["words"], postgresql_using="gin")
        return
    if (
        not op.get_bind()
        .exec_driver_sql("SELECT sqlite_compileoption_used('ENABLE_FTS5')")
        .scalar()
    ):
        raise SettingsError(
            "the SQLite of this Python was built without FTS5, which finds posts by their words: "
            "use another Python, or a PostgreSQL by BAROMETER_DATABASE_URL."
        )
    # Only which posts have a word is kept; the rows themselves have the text.
    op.execute(
        "CREATE VIRTUAL TABLE post_words USING"
        " fts5(words, content='', columnsize=0, detail=none, tokenize='ascii')"
    )
    number = NUMBER.format(row="posts")
    op.execute(
        f"INSERT INTO post_words (rowid, words) SELECT {number}, words FROM posts ORDER BY {number}"  # noqa: S608
    )
    for name, rule in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {rule}")


def _drop_indexes() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.drop_index("ix_posts_words", "posts")
    else:
        for name in TRIGGERS:
            op.execute(f"DROP TRIGGER {name}")
        op.execute("DROP TABLE post_words")
    for table, columns in REPOSTS.items():
        op.drop_index(f"ix_{table}_{'_'.join(columns)}", table)
    op.drop_index("ix_post_events_event_id_emotion_created_at", "post_events")
    op.drop_index("ix_posts_text_hash_created_at", "posts")
    op.drop_index("ix_posts_emotion_created_at", "posts")
