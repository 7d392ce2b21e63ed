"""Drift reports know which languages they compared, and how many posts in others they left out.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

from barometer.tables import Json

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLE = "drift_reports"


def upgrade() -> None:
    op.add_column(
        TABLE, sa.Column("languages", sa.String(length=200), server_default="all", nullable=False)
    )
    op.add_column(TABLE, sa.Column("other_languages", Json, server_default="{}", nullable=False))


def downgrade() -> None:
    op.drop_column(TABLE, "other_languages")
    op.drop_column(TABLE, "languages")
