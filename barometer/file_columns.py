"""Which column of a file is which field of a post, as `BAROMETER_FILES_COLUMNS` says."""

import shlex
from typing import Final

FIELDS: Final = ("text", "created_at", "id", "author", "location", "url", "language")
"""The fields of a post that a column may hold."""


def parse_columns(value: str) -> dict[str, str]:
    """Read `field=column` entries, separated by spaces or commas; `'` or `"` hold a name together.

    Raises:
        ValueError: an entry is written otherwise, or names a field twice or one that posts lack.
    """
    lexer = shlex.shlex(value, posix=True)
    lexer.whitespace += ","
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        entries = list(lexer)
    except ValueError as error:
        raise ValueError("a quotation mark is not closed") from error
    columns: dict[str, str] = {}
    for entry in entries:
        field, _, column = entry.partition("=")
        if not field or not column:
            raise ValueError(f"{entry!r} is not written field=column, such as text=review")
        if field not in FIELDS:
            raise ValueError(f"{field!r} is no field of a post; known: {', '.join(FIELDS)}")
        if field in columns:
            raise ValueError(f"{field!r} is named twice")
        columns[field] = column
    return columns
