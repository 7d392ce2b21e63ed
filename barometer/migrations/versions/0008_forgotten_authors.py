"""Authors whose posts are not to be kept, by their marks.

On the way down the table stays where it holds any: an older version does not read it, and the next
way up would else have forgotten what they asked for.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

from barometer.tables import UtcTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if sa.inspect(op.get_bind()).has_table("forgotten_authors"):
        return
    op.create_table(
        "forgotten_authors",
        sa.Column("mark", sa.String(length=32), nullable=False),
        sa.Column("person", sa.String(length=32), nullable=False),
        sa.Column("forgotten_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_forgotten_authors")),
    )


def downgrade() -> None:
    if not op.get_bind().execute(sa.text("SELECT COUNT(*) FROM forgotten_authors")).scalar():
        op.drop_table("forgotten_authors")
