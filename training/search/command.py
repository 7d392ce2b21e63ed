"""`barometer tune`, as people call it."""

from pathlib import Path
from typing import Annotated

import typer

from barometer.console import print_json, progress
from barometer.errors import InputError
from barometer.options import Json, Register
from barometer.settings import settings


def tune(
    target: Annotated[Path, typer.Argument(help="Model folder to write.")],
    *,
    trials: Annotated[int, typer.Option(help="Recipes to try.", min=1)] = 8,
    rows: Annotated[
        int | None, typer.Option(help="Only so many training rows a task.", min=1)
    ] = None,
    epochs: Annotated[int, typer.Option(help="Most passes over the rows a trial.", min=1)] = 5,
    scheduler: Annotated[str, typer.Option(help="asha or pbt.")] = "asha",
    concurrent: Annotated[
        int | None, typer.Option(help="Trials at a time; default: one a GPU or machine.", min=1)
    ] = None,
    rdrop: Annotated[bool, typer.Option("--rdrop", help="Search R-Drop too; slower.")] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the newest unfinished search, as it was asked for."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the search and of each trial.")] = 7,
    register: Register = True,
    json_: Json = False,
) -> None:
    """Search learning rate, batch size and more with Ray Tune; register the best model.

    Example: barometer tune runs/searched --rows 2000 --trials 8 --epochs 3
    """
    from training.search.plan import Request
    from training.search.table import show_trials
    from training.search.tune import tune as run_tuning
    from training.tables import show_metrics, show_parity, tell_registered

    if scheduler not in ("asha", "pbt"):
        raise InputError("scheduler: must be asha or pbt.", "scheduler")
    request = Request(trials, epochs, rows, scheduler, concurrent, seed, rdrop)  # type: ignore[arg-type]
    with progress("searching") as (bar, task):

        def on_epoch(done: int, most: int, best: float | None) -> None:
            note = "" if best is None else f"best score {best:.4f}"
            bar.update(task, completed=done, total=most, note=note)

        result = run_tuning(
            settings(), None if resume else request, target, on_epoch, bar.console.print,
            show_parity, registers=register,
        )  # fmt: skip
    if json_:
        print_json(result)
    else:
        show_trials(result["trials"])
        show_metrics(result["metrics"], as_json=False)
    tell_registered(target, result["version"])
