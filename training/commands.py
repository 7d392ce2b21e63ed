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
    no_register: Annotated[
        bool, typer.Option("--no-register", help="Only write the folder.")
    ] = False,
    json_: Json = False,
) -> None:
    """Adapt the champion to labelled rows of a new domain, in seconds and without torch.

    Example: barometer adapt airlines.jsonl runs/airlines
    """
    from training.adapt import Plan
    from training.adapt import adapt as run_adaptation
    from training.adapt_report import show
    from training.register import register as add

    config = settings()
    with progress("adapting") as (bar, task):
        record = run_adaptation(
            config, model, Plan(rows, learn, labels, replay), target,
            lambda line: bar.update(task, note=line),
        )  # fmt: skip
        version = None if no_register else add(config, target)
    if json_:
        print_json(record | {"version": version})
        return
    show(record, target, version)


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
