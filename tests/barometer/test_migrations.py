from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from barometer.analyses import history, write
from barometer.authors import Authors
from barometer.database import alembic_config, engine_for, migrate
from barometer.erasure import keep_away
from barometer.errors import ConflictError
from barometer.feed import newest_posts
from barometer.forgotten import let_in
from barometer.overview import by_hour
from barometer.person import Person
from barometer.settings import Settings
from barometer.store import store
from barometer.tables import Base, described
from tests.barometer.kept import kept as kept_analysis
from tests.conftest import judgement, post, posts_mentioning


def test_migrations_make_exactly_the_tables_and_can_be_undone(database_url: str) -> None:
    migrate(database_url)
    engine = engine_for(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={
            "compare_type": True, "include_object": described(engine.dialect.name),
        })  # fmt: skip
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


TABLES = ("events", "posts", "post_events", "rollups", "source_states", "drift_reports")


def test_rows_survive_the_way_up_and_down_and_are_found(database_url: str) -> None:
    config = alembic_config(database_url)
    command.upgrade(config, "0002")
    engine = engine_for(database_url)
    columns = {table: [c["name"] for c in inspect(engine).get_columns(table)] for table in TABLES}
    rows = (Path(__file__).parent / "rows_at_0002.sql").read_text()
    if engine.dialect.name == "sqlite":
        rows = rows.replace("+00'", "'")  # where a time has no zone
    with engine.begin() as connection:
        for statement in rows.strip().split(";\n"):
            connection.execute(text(statement.replace(":", "\\:")))
    before = contents(engine, columns)
    migrate(database_url)
    assert contents(engine, columns) == before
    assert_new_columns_are_filled(engine)
    command.downgrade(config, "0002")
    assert contents(engine, columns) == before
    assert {table: [c["name"] for c in inspect(engine).get_columns(table)]
            for table in TABLES} == columns  # fmt: skip
    migrate(database_url)
    assert contents(engine, columns) == before
    assert_new_columns_are_filled(engine)
    # What comes now knows what was there.
    again = post("again", "the CITY vote 🎉", created_at=datetime(2026, 1, 1, 23, tzinfo=UTC))
    assert store(engine, [(again, judgement())]).reposts == {again.key}


def assert_new_columns_are_filled(engine: Engine) -> None:
    assert [row.external_id for row in posts_mentioning(engine, "VOTE", 9)] == ["x9", "x5"]
    assert len(posts_mentioning(engine, "🎉", 9)) == 1
    assert len(newest_posts(engine, 9, event_id=1, emotion="fear")) == 1
    hours = by_hour(engine, datetime(2026, 1, 1, 23, tzinfo=UTC), 2)
    assert [hour["posts"] for hour in hours] == [1, 2]
    with engine.connect() as connection:
        days = connection.execute(text("SELECT day, keyword, posts FROM bi_keywords_by_day"))
        assert {(str(day), *rest) for day, *rest in days} == {
            ("2026-01-01", "vote", 1), ("2026-01-01", "city vote", 1), ("2026-01-02", "vote", 1),
        }  # fmt: skip


def test_counts_by_language_are_added_up_on_the_way_down(database_url: str) -> None:
    migrate(database_url)
    engine = engine_for(database_url)
    store(engine, [(post(n, language=code), judgement())
                   for n, code in enumerate(("en", "en", "de", None))])  # fmt: skip
    counted = {("en", 2), ("de", 1), ("", 1)}
    for table in ("rollups", "hourly_rollups"):
        assert sums_of(engine, table, "language") == counted
    command.downgrade(alembic_config(database_url), "0006")
    for table in ("rollups", "hourly_rollups"):
        assert sums_of(engine, table, "source") == {("test", 4)}
    migrate(database_url)
    for table in ("rollups", "hourly_rollups"):
        assert sums_of(engine, table, "language") == {("", 4)}
    store(engine, [(post("new", language="de"), judgement())])
    assert sums_of(engine, "bi_emotion_share", "language") == {("unknown", 4), ("de", 1)}


def test_what_people_and_terms_ask_for_outlives_the_way_down(
    database_url: str, settings: Settings
) -> None:
    migrate(database_url)
    engine, config = engine_for(database_url), alembic_config(database_url)
    store(engine, [(post(n, source=source), judgement())
                   for n, source in enumerate(("test", "Reddit", "x"))])  # fmt: skip
    authors = Authors(settings)
    keep_away(engine, Person(authors, "anna", "test"), ())
    write(engine, [kept_analysis("vote", post().created_at)])
    command.downgrade(config, "0005")
    migrate(database_url)
    with engine.connect() as connection:
        allowed = connection.execute(
            text("SELECT source, may_train FROM posts ORDER BY external_id")
        )
        assert [(source, bool(may)) for source, may in allowed] == [
            ("test", True), ("Reddit", False), ("x", False),
        ]  # fmt: skip
    assert store(engine, [(post(9, author="anna"), judgement())], authors).forgotten
    [analysis] = history(engine, "vote", post().created_at, 9)
    assert (analysis["languages"], analysis["other_languages"]) == ("all", {})
    let_in(engine, Person(authors, "anna").mark, authors.mark("test", "anna"))
    command.downgrade(config, "0005")
    assert "forgotten_authors" not in inspect(engine).get_table_names()


def sums_of(engine: Engine, table: str, column: str) -> set[tuple[str, int]]:
    """Posts by a column."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(f"SELECT {column}, SUM(posts) FROM {table} GROUP BY {column}")  # noqa: S608
        )
        return {(value, int(posts)) for value, posts in rows}


def contents(engine: Engine, columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """Every row of some tables, in these columns."""
    with engine.connect() as connection:
        return {
            table: sorted(
                map(str, connection.execute(text(f"SELECT {', '.join(names)} FROM {table}")))  # noqa: S608
            )
            for table, names in columns.items()
        }


def kept(engine: Engine) -> tuple[int, ...]:
    with engine.connect() as connection:
        return tuple(
            connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one()  # noqa: S608
            for table in ("posts", "post_events")
        )
