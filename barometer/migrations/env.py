"""Alembic's entry: runs the migrations over the engine that the product uses."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from sqlalchemy import Connection

from barometer.database import engine_for, writing
from barometer.tables import Base, described

LOCK = 0x6261726F
"""Any number that no other program locks by: several processes may start on an empty database."""


@contextmanager
def without_cascades(connection: Connection) -> Iterator[None]:
    """Switch SQLite's foreign keys off, which works only before a transaction begins.

    To change a column, SQLite's table is made anew and the old one dropped; with foreign keys on,
    that deletes every row that refers to it.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.cursor()
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")
        driver.close()


with (
    writing(engine_for(context.config.attributes["url"])).connect() as connection,
    without_cascades(connection),
    connection.begin(),
):
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # an index may take minutes
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        include_object=described(connection.dialect.name),
    )
    context.run_migrations()
