"""Files of one JSON object a line."""

import json
from pathlib import Path
from typing import Any

from barometer.errors import DataError


def read_json_lines(file: Path) -> list[tuple[int, dict[str, Any]]]:
    """Every object of `file` with the number of its line, from 1; blank lines are passed over.

    Raises:
        DataError: the file cannot be read, or a line is no JSON object; names the line.
    """
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as UTF-8 text ({error}).") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except ValueError as error:
            raise DataError(
                f"{file}, line {number}: not valid JSON lines; write one JSON object a line."
            ) from error
        if not isinstance(content, dict):
            raise DataError(f"{file}, line {number}: a JSON object is needed, not {line[:40]!r}.")
        found.append((number, content))
    return found
