"""A post's answers may be null: some models lack a task.

Revision ID: 0002
Revises: 0001
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from barometer.errors import ConflictError
from barometer.tables import Json

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ANSWERS: dict[str, Any] = {
    "emotion": sa.String(length=16),
    "confidence": sa.Float(),
    "emotions": Json,
    "sentiment": sa.String(length=16),
    "sentiment_confidence": sa.Float(),
    "sentiments": Json,
    "sentiment_score": sa.Float(),
}


def upgrade() -> None:
    _allow_null(nullable=True)


def downgrade() -> None:
    without = "SELECT COUNT(*) FROM posts WHERE emotion IS NULL OR sentiment IS NULL"
    count = op.get_bind().execute(sa.text(without)).scalar()
    if count:
        # Rollups count these posts too, so deleting them here would leave counts without posts.
        raise ConflictError(
            f"{count} posts have no emotion or no sentiment, which revision 0001 cannot hold: "
            "go back to a backup from before the model that lacks a task."
        )
    _allow_null(nullable=False)


def _allow_null(*, nullable: bool) -> None:
    with op.batch_alter_table("posts", schema=None) as batch_op:
        for name, kind in ANSWERS.items():
            batch_op.alter_column(name, existing_type=kind, nullable=nullable)
