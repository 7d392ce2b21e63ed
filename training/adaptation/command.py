"""`barometer adapt`, as people call it."""

from pathlib import Path
from typing import Annotated

import typer

from barometer.console import print_json, progress
from barometer.options import Json, Register
from barometer.settings import settings


def adapt(
    rows: Annotated[Path, typer.Argument(help="Labelled rows: text, sentiment and/or emotion.")],
    target: Annotated[Path, typer.Argument(help="Model folder to write.")],
    *,
    model: Annotated[
        Path | None, typer.Option(help="Model folder to start from; else the champion.")
    ] = None,
    learn: Annotated[
        float, typer.Option(help="Share, by time, to learn; the rest measures.")
    ] = 0.5,
    labels: Annotated[
        int | None, typer.Option(help="Learn from only so many of the newest learning rows.", min=1)
    ] = None,
    replay: Annotated[
        float, typer.Option(help="Weight of the replayed old rows; the new ones weigh 1.", min=0)
    ] = 0.3,
    register: Register = True,
    json_: Json = False,
) -> None:
    """Adapt the champion to labelled rows of a new domain, in seconds and without torch.

    Example: barometer adapt airlines.jsonl runs/airlines
    """
    from training.adaptation.adapt import Plan
    from training.adaptation.adapt import adapt as run_adaptation
    from training.adaptation.report import show
    from training.register import register as register_folder
    from training.tables import tell_registered

    config = settings()
    with progress("adapting") as (bar, task):
        record = run_adaptation(
            config, model, Plan(rows, learn, labels, replay), target,
            lambda line: bar.update(task, note=line),
        )  # fmt: skip
        version = register_folder(config, target) if register else None
    if json_:
        print_json(record | {"version": version})
    else:
        show(record, target)
    tell_registered(target, version)
