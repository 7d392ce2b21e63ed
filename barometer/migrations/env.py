"""Alembic's entry: runs the migrations over the engine that the product uses."""

from alembic import context

from barometer.database import engine_for, writing
from barometer.tables import Base

LOCK = 0x6261726F
"""Any number that no other program locks by: several processes may start on an empty database."""

with writing(engine_for(context.config.attributes["url"])).begin() as connection:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
    )
    context.run_migrations()
