"""The database: an engine for the URL in force, and its migrations."""

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from pydantic_core import from_json, to_json
from sqlalchemy import Connection, Engine, Select, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from barometer.errors import SettingsError, UnavailableError
from barometer.settings import Settings


def _json(value: Any) -> str:
    return to_json(value, inf_nan_mode="null").decode()  # JSON has neither; PostgreSQL refuses them


COMMON: Final[dict[str, Any]] = {
    "hide_parameters": True,  # they hold posts, and errors end in logs
    "json_serializer": _json,  # a third of the time of Python's own, and integers of any size
    "json_deserializer": from_json,
}


def database_url(settings: Settings) -> str:
    """The URL in force: `DATABASE_URL`, or a SQLite file in the state folder."""
    return settings.database_url or f"sqlite:///{settings.state / 'barometer.db'}"


def ready_engine(settings: Settings) -> Engine:
    """The engine of the database in force, which is at the newest revision.

    Raises:
        SettingsError: its URL cannot be parsed.
        UnavailableError: it cannot be reached.
    """
    url = database_url(settings)
    migrate(url)
    return engine_for(url)


@cache
def engine_for(url: str) -> Engine:
    """One engine a process and URL, with time-outs; SQLite in WAL mode.

    Raises:
        SettingsError: the URL cannot be parsed.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError(
            "BAROMETER_DATABASE_URL is no SQLAlchemy URL: use postgresql://user@host/name or "
            "sqlite:////folder/file.db."
        ) from error
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": 30}, **COMMON)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        parsed,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5, "options": "-c statement_timeout=30000"},
        **COMMON,
    )


def writing(engine: Engine) -> Engine:
    """The engine for a transaction that writes; on SQLite it takes the write lock at its start.

    A transaction that read first and then wants to write fails at once with "database is locked"
    when another has written in between: no time-out helps it.
    """
    return engine.execution_options(writes=True)


def held(rows: Select[Any]) -> Select[Any]:
    """The same rows, which nobody deletes until the transaction ends; SQLite has one writer."""
    return rows.with_for_update(read=True, key_share=True)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's "begin" event begins instead
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()


def alembic_config(url: str) -> Config:
    """Alembic's configuration for `url`, with the migrations that this package carries."""
    config = Config()
    config.set_main_option(
        "script_location", str(Path(str(resources.files("barometer"))) / "migrations")
    )
    config.attributes["url"] = url
    return config


def migrate(url: str) -> None:
    """Bring the database to the newest revision.

    Raises:
        UnavailableError: the database cannot be reached.
    """
    try:
        command.upgrade(alembic_config(url), "head")
    except OperationalError as error:
        raise UnavailableError(
            f"the database at {make_url(url).render_as_string(hide_password=True)} cannot be "
            "reached: start it, or unset BAROMETER_DATABASE_URL for the SQLite file."
        ) from error
