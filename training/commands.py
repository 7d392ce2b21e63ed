"""The commands that make, measure and register models; each imports its part when called."""

from pathlib import Path
from typing import Annotated, Any

import typer

from barometer.console import print_json, print_line, print_table, progress
from barometer.errors import InputError
from barometer.settings import settings

app = typer.Typer()
Final = Annotated[
    bool, typer.Option("--final", help="Also measure the test rows: once, when all is chosen.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def train(
    target: Annotated[Path, typer.Argument(help="Model folder to write.")],
    *,
    epochs: Annotated[int | None, typer.Option(help="Passes over the rows.", min=1)] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    rows: Annotated[
        int | None, typer.Option(help="Only so many training rows a task.", min=1)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of shuffling and the new head.")] = None,
    final: Final = False,
    json_: Json = False,
) -> None:
    """Fine-tune on emotion and sentiment rows, export to INT8 ONNX, measure.

    Example: BAROMETER_BASE_MODEL=./minilm barometer train runs/first --epochs 5
    """
    from training.finetune import Epoch
    from training.recipe import Recipe
    from training.train import Origin
    from training.train import train as run_training

    config = settings()
    given = {"epochs": epochs, "learning_rate": learning_rate, "seed": seed}
    recipe = Recipe(**{key: value for key, value in given.items() if value is not None})
    origin = Origin(config.base_model, config.emotion_data, config.sentiment_data, rows)
    with progress("fine-tuning") as (bar, task):

        def on_step(done: int, steps: int, loss: float) -> None:
            bar.update(task, completed=done, total=steps, note=f"loss {loss:.3f}")

        def on_epoch(epoch: Epoch) -> None:
            figures = "  ".join(f"{name} {value:.4f}" for name, value in epoch.metrics.items())
            bar.console.print(f"epoch {epoch.number}  {figures}")

        checkpoint = config.state / "checkpoints" / target.name
        metrics = run_training(origin, recipe, checkpoint, target, on_step, on_epoch, final=final)
    _show_metrics(metrics, as_json=json_)


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint that `train` has written.")],
    target: Annotated[Path, typer.Argument(help="Model folder to write.")],
    *,
    final: Final = False,
    json_: Json = False,
) -> None:
    """Export a checkpoint again: fused INT8 ONNX, temperatures, figures.

    Example: barometer export .barometer/checkpoints/first runs/first
    """
    from training.train import Origin, package

    config = settings()
    origin = Origin(config.base_model, config.emotion_data, config.sentiment_data)
    metrics = package(checkpoint, origin.load(), target, final=final)
    _show_metrics(metrics, as_json=json_)


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(help="Model folder.")],
    *,
    split: Annotated[str, typer.Option(help="validation or test.")] = "validation",
    json_: Json = False,
) -> None:
    """Measure a model folder on labelled rows, through the classifier that serves.

    Example: barometer evaluate models/starter
    """
    from inference.classifier import Classifier
    from inference.model_folder import open_model_folder
    from training.data import load_task
    from training.evaluate import evaluate_splits

    if split not in ("validation", "test"):
        raise InputError("split: must be validation or test.", "split")
    config = settings()
    classifier = Classifier(open_model_folder(folder), config.session_threads)
    data = {
        "emotion": load_task("emotion", config.emotion_data),
        "sentiment": load_task("sentiment", config.sentiment_data),
    }
    _show_metrics(evaluate_splits(classifier, data, (split,)), as_json=json_)


@app.command("models")
def list_models(
    *,
    register: Annotated[
        Path | None, typer.Option(help="Register this folder as challenger.")
    ] = None,
    json_: Json = False,
) -> None:
    """List the registered versions; or register a model folder.

    Example: barometer models --register runs/first
    """
    from inference.registry import versions
    from training.register import register as add

    config = settings()
    if register is not None:
        version = add(config, register)
        print_line(f"registered {register} as version {version}, alias challenger")
        return
    found = versions(config)
    if json_:
        print_json([vars(version) for version in found])
        return
    columns = ("version", "aliases", "emotion accuracy", "emotion macro-F1", "sentiment accuracy")
    rows = [
        (v.version, ", ".join(v.aliases), v.metric("emotion.accuracy"),
         v.metric("emotion.macro_f1"), v.metric("sentiment.accuracy"))
        for v in found
    ]  # fmt: skip
    print_table(f"Versions of {config.model_name} (validation rows)", columns, rows)


@app.command()
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
    from training.search_plan import Request
    from training.search_table import show_trials
    from training.tune import tune as run_tuning

    if scheduler not in ("asha", "pbt"):
        raise InputError("scheduler: must be asha or pbt.", "scheduler")
    request = Request(trials, epochs, rows, scheduler, concurrent, seed, rdrop)  # type: ignore[arg-type]
    with progress("searching") as (bar, task):

        def on_epoch(done: int, most: int, best: float | None) -> None:
            note = "" if best is None else f"best score {best:.4f}"
            bar.update(task, completed=done, total=most, note=note)

        result = run_tuning(
            settings(), None if resume else request, target, on_epoch, bar.console.print,
            registers=not no_register,
        )  # fmt: skip
    if json_:
        print_json(result)
        return
    show_trials(result["trials"])
    _show_metrics(result["metrics"], as_json=False)
    if result["version"] is not None:
        print_line(f"registered {target} as version {result['version']}, alias challenger")


def _show_metrics(metrics: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(metrics)
        return
    rows = [
        (split, task, m["rows"], m["accuracy"], m["macro_f1"], m["expected_calibration_error"])
        for split in ("validation", "test")
        for task, m in metrics.get(split, {}).items()
    ]
    columns = ("split", "task", "rows", "accuracy", "macro-F1", "calibration error")
    print_table("Measured on the INT8 file", columns, rows)
