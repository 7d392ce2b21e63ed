"""Many rows in one statement, whatever the database; rows that are there already stay, or add up.

SQLite takes them as values. PostgreSQL takes one JSON document by a statement that is the same for
any number of rows: psycopg reads a statement through for its places, and with thousands of them
that takes longer than the insert itself.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    JSON,
    Connection,
    CursorResult,
    Dialect,
    String,
    Table,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

Row = dict[str, Any]
Names = tuple[str, ...]


def insert_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    key: Names,
    *,
    adding: Names = (),
    returning: Names = (),
) -> CursorResult[Any]:
    """Insert `rows`, which have the same columns.

    Args:
        connection: in a transaction.
        table: where they go.
        rows: at least one.
        key: columns that tell rows apart.
        adding: columns whose values are added to those of a row with the same key; without any,
            that row stays as it is.
        returning: columns to return of the rows that were inserted or added to.
    """
    rule = (table, key, adding, returning)
    if connection.dialect.name == "postgresql":
        statement = _from_json(connection.dialect, tuple(rows[0]), *rule)
        document = to_json(rows, inf_nan_mode="null").decode()
        return connection.exec_driver_sql(statement, {"rows": document})
    found: CursorResult[Any] = connection.execute(_from_values(*rule), rows)
    return found


# SQLAlchemy keeps no compiled statement that has a conflict clause.
@lru_cache(maxsize=64)
def _from_json(
    dialect: Dialect, names: Names, table: Table, key: Names, adding: Names, returning: Names
) -> str:
    document = cast(bindparam("rows", type_=String()), JSON())
    given = (
        func.json_to_recordset(document)
        .table_valued(*(column(name, table.c[name].type) for name in names))
        .render_derived(name="given", with_types=True)
    )
    insert = postgresql.insert(table).from_select(names, select(given))
    return str(_on_conflict(insert, table, key, adding, returning).compile(dialect=dialect))


@lru_cache(maxsize=64)
def _from_values(table: Table, key: Names, adding: Names, returning: Names) -> Any:
    return _on_conflict(sqlite.insert(table), table, key, adding, returning)


def _on_conflict(insert: Any, table: Table, key: Names, adding: Names, returning: Names) -> Any:
    if adding:
        sums = {name: table.c[name] + insert.excluded[name] for name in adding}
        insert = insert.on_conflict_do_update(index_elements=key, set_=sums)
    else:
        insert = insert.on_conflict_do_nothing(index_elements=key)
    return insert.returning(*(table.c[name] for name in returning)) if returning else insert
