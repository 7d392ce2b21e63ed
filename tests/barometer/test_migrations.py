import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from barometer.database import alembic_config, engine_for, migrate
from barometer.errors import ConflictError
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


def test_null_answers_come_and_go_without_losing_a_post_or_a_link(database_url: str) -> None:
    config = alembic_config(database_url)
    command.upgrade(config, "0001")
    engine = engine_for(database_url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO events (id, slug, title, keywords, sources, created_at)"
                " VALUES (1, 'vote', 'Vote', '[]', '[]', '2026-01-01 00:00:00')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO posts (id, source, external_id, text, details, created_at, scored_at,"
                " emotion, confidence, emotions, sentiment, sentiment_confidence, sentiments,"
                " sentiment_score, model_version) VALUES (5, 's', '1', 't', '{}',"
                " '2026-01-01 00:00:00', '2026-01-01 00:00:00', 'joy', 1, '{}', 'positive', 1,"
                " '{}', 1, '1')"
            )
        )
        connection.execute(text("INSERT INTO post_events VALUES (1, 5, '2026-01-01 00:00:00')"))
    migrate(database_url)
    assert kept(engine) == (1, 1)
    with engine.begin() as connection:
        connection.execute(text("UPDATE posts SET emotion = NULL"))
    with pytest.raises(ConflictError, match="1 posts have no emotion"):
        command.downgrade(config, "0001")
    with engine.begin() as connection:
        connection.execute(text("UPDATE posts SET emotion = 'joy'"))
    command.downgrade(config, "0001")
    assert kept(engine) == (1, 1)
    # Foreign keys hold again, whatever the migrations did meanwhile.
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM posts"))
    assert kept(engine) == (0, 0)


def kept(engine: Engine) -> tuple[int, ...]:
    with engine.connect() as connection:
        return tuple(
            connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one()  # noqa: S608
            for table in ("posts", "post_events")
        )
