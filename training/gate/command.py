"""`barometer release`, as people call it."""

from pathlib import Path
from typing import Annotated

import typer

from barometer.console import print_json, print_line, progress
from barometer.errors import InputError
from barometer.options import Json
from barometer.settings import settings


def release(
    *,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Put the former champion back.")
    ] = False,
    canary: Annotated[
        bool,
        typer.Option("--canary", help="On a pass: BAROMETER_CANARY_SHARE of the texts, no more."),
    ] = False,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="On a pass: score unseen beside the champion.")
    ] = False,
    version: Annotated[
        str | None, typer.Option(help="Judge this version; default: alias challenger.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Held-out live labels: jsonl of text, emotion, sentiment.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Judge only: log nothing, move nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Make the challenger champion, canary or shadow if it passes the gate; or take that back.

    Where a service runs, release with --canary first: without one a canary would see no texts.

    Example: barometer release, and to take it back: barometer release --rollback
    """
    from inference.promotion import rollback as put_back
    from training.gate.release import release as run_gate
    from training.gate.report import as_json, print_report

    config = settings()
    if rollback:
        if version or labels or dry_run or canary or shadow:
            raise InputError("rollback: takes no other option.", "rollback")
        back, gone = put_back(config)
        if json_:
            print_json({"champion": back, "previous": gone})
        else:
            print_line(f"version {back} is champion again, version {gone} is previous")
        return
    if canary and shadow:
        raise InputError("canary: a version is in shadow first, then canary; not both.", "canary")
    with progress("gate") as (bar, task):

        def on_step(done: int, steps: int, note: str) -> None:
            bar.update(task, completed=done, total=steps, note=note)

        decision = run_gate(
            config, version=version, labels=labels, dry_run=dry_run, progress=on_step,
            to="canary" if canary else "shadow" if shadow else "production",
        )  # fmt: skip
    if json_:
        print_json(as_json(decision))
    else:
        print_report(decision)
    decision.raise_if_refused()
