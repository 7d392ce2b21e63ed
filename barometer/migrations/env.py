"""Alembic's entry: runs the migrations over the engine that the product uses."""

from alembic import context

from barometer.database import engine_for
from barometer.tables import Base

with engine_for(context.config.attributes["url"]).begin() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
    )
    context.run_migrations()
