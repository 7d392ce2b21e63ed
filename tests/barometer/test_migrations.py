from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from barometer.database import alembic_config, engine_for, migrate
from barometer.tables import Base


def test_migrations_make_exactly_the_tables_and_can_be_undone(database_url: str) -> None:
    migrate(database_url)
    engine = engine_for(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    command.downgrade(alembic_config(database_url), "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    migrate(database_url)
    assert "posts" in inspect(engine).get_table_names()
