"""`barometer keys`: API keys."""

from typing import Annotated

import typer

from barometer.api_keys import SCOPES, new_key
from barometer.console import print_json, print_line
from barometer.errors import InputError
from barometer.options import Json

app = typer.Typer(no_args_is_help=True)


@app.command("new")
def make_key(
    name: Annotated[str, typer.Argument(help="Who will hold it; it names the key in the logs.")],
    *,
    scope: Annotated[
        list[str] | None, typer.Option(help="read or write; repeatable. Unset: read.")
    ] = None,
    json_: Json = False,
) -> None:
    """Make an API key: it is shown this once, and the setting keeps its digest only.

    Example: barometer keys new reporter --scope read --scope write
    """
    wanted = scope or ["read"]
    unknown = set(wanted) - set(SCOPES)
    if unknown:
        raise InputError(f"--scope: {unknown.pop()!r} is none; there are {' and '.join(SCOPES)}.")
    try:
        key, kept = new_key(name, [known for known in SCOPES if known in wanted])
    except ValueError as error:
        raise InputError(
            f"NAME: {name!r} cannot be used: take letters, digits, dots and hyphens."
        ) from error
    if json_:
        print_json({"key": key, "entry": kept.entry})
        return
    print_line(f"key, shown this once: {key}")
    print_line(f"add to BAROMETER_API_KEYS: {kept.entry}")
