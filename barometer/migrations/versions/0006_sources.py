"""Posts know their language and whether a model may learn from them; sources, how they stand.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

from barometer.tables import Json, UtcTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Columns are added in place: SQLite's triggers on posts, and the views, stay as they are.
    op.add_column("posts", sa.Column("language", sa.String(length=16)))
    op.add_column(
        "posts", sa.Column("may_train", sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    # The sources of `barometer.terms`, as they were; `/ingest` and recordings could name them.
    op.execute(
        "UPDATE posts SET may_train = false WHERE lower(trim(source)) IN ('reddit', 'x', 'twitter')"
    )
    op.add_column("source_states", sa.Column("limited_until", UtcTime()))
    op.add_column("source_states", sa.Column("last_post_at", UtcTime()))
    op.add_column("source_states", sa.Column("day", sa.Date()))
    op.add_column(
        "source_states",
        sa.Column("posts_of_day", sa.Integer(), server_default="0", nullable=False),
    )
    op.create_table(
        "allowances",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("taken", Json, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_allowances")),
    )


def downgrade() -> None:
    op.drop_table("allowances")
    for column in ("posts_of_day", "day", "last_post_at", "limited_until"):
        op.drop_column("source_states", column)
    for column in ("may_train", "language"):
        op.drop_column("posts", column)
