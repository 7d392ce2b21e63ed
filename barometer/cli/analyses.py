"""The command about analyses: from Redis into the database."""

from dataclasses import asdict
from typing import Annotated

import typer

from barometer.console import print_json, print_table
from barometer.options import Json
from barometer.settings import settings

app = typer.Typer()


@app.command()
def sync(
    *,
    now: Annotated[
        bool, typer.Option("--now", help="However busy the CPU is, and however young they are.")
    ] = False,
    recover: Annotated[
        bool,
        typer.Option("--recover", help="First queue cached answers that the database lacks."),
    ] = False,
    json_: Json = False,
) -> None:
    """Write the answers of /analyze that wait in Redis to the database, while the CPU is idle.

    Example: barometer sync --recover --now
    """
    from barometer.sync import recover_missing, sync_analyses

    config = settings()
    found = asdict(recover_missing(config)) if recover else {}
    done = asdict(sync_analyses(config, now=now))
    if json_:
        print_json({"recovered": found or None, "synced": done})
        return
    if found:
        print_table("Recovered", ("what", "analyses"), list(found.items()))
    print_table("Synced", ("what", "value"), list(done.items()))
