"""Answers of `/analyze`.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

from barometer.tables import Json, UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "analyses",
        sa.Column("keyword", sa.String(length=200), nullable=False),
        sa.Column("time", UtcTime(), nullable=False),
        sa.Column("post_limit", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("agg", Json, nullable=False),
        sa.Column("sentiment", Json, nullable=False),
        sa.Column("uncertainty", Json, nullable=False),
        sa.Column("searched", Json, nullable=False),
        sa.Column("model_version", sa.String(length=64), nullable=False),
        sa.Column("judged_by", Json, nullable=False),
        sa.Column("fallback_used", sa.Boolean(), nullable=False),
        sa.Column("degraded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("keyword", "time", "post_limit", name=op.f("pk_analyses")),
    )


def downgrade() -> None:
    op.drop_table("analyses")
