"""`barometer tune`, as people call it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from barometer.console import print_json, print_line, print_table, progress
from barometer.errors import InputError
from barometer.settings import settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


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
    no_register: Annotated[
        bool, typer.Option("--no-register", help="Write the folder, register nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Search learning rate, batch size and more with Ray Tune; register the best model.

    Example: barometer tune runs/searched --rows 2000 --trials 8 --epochs 3
    """
    from training.search.plan import Request
    from training.search.tune import tune as run_tuning
    from training.tables import show_metrics, show_parity

    if scheduler not in ("asha", "pbt"):
        raise InputError("scheduler: must be asha or pbt.", "scheduler")
    request = Request(trials, epochs, rows, scheduler, concurrent, seed, rdrop)  # type: ignore[arg-type]
    with progress("searching") as (bar, task):

        def on_epoch(done: int, most: int, best: float | None) -> None:
            note = "" if best is None else f"best score {best:.4f}"
            bar.update(task, completed=done, total=most, note=note)

        result = run_tuning(
            settings(), None if resume else request, target, on_epoch, bar.console.print,
            show_parity, registers=not no_register,
        )  # fmt: skip
    if json_:
        print_json(result)
        return
    _show_trials(result["trials"])
    show_metrics(result["metrics"], as_json=False)
    if result["version"] is not None:
        print_line(f"registered {target} as version {result['version']}, alias challenger")


RECIPE_COLUMNS = {
    "learning_rate": "rate", "batch_size": "batch", "weight_decay": "decay", "epochs": "epochs",
    "warmup": "warm-up", "class_weight_power": "power", "label_smoothing": "smooth",
    "emotion_share": "share", "dropout": "dropout", "rdrop": "R-Drop",
}  # fmt: skip
"""Short enough for two tables of 80 characters."""


def _show_trials(trials: list[dict[str, Any]]) -> None:
    shown = ("trial", "score", "best_epoch", "epochs", "state")
    columns = ("trial", "score", "best epoch", "epochs", "state")
    rows = [tuple(trial[name] for name in shown) for trial in trials]
    print_table("Trials, the best first (score on validation rows)", columns, rows)
    names = [name for name in RECIPE_COLUMNS if name in trials[0]["config"]]
    recipes = [(t["trial"], *(_brief(t["config"][name]) for name in names)) for t in trials]
    print_table("Their recipes", ("trial", *(RECIPE_COLUMNS[name] for name in names)), recipes)
    for trial in trials:
        if trial["error"]:
            print_line(f"trial {trial['trial']} failed: {trial['error']}")


def _brief(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)
