"""The commands that make, measure and register models; each imports its part when called."""

from pathlib import Path
from typing import Annotated

import typer

from barometer.console import print_json, print_line, print_table, progress
from barometer.errors import InputError
from barometer.options import Json, Register
from barometer.settings import settings
from barometer.tracking import CHALLENGER
from training.adaptation.command import adapt
from training.gate.command import release
from training.search.command import tune

app = typer.Typer()
for command in (adapt, tune, release):
    app.command()(command)
Final = Annotated[
    bool, typer.Option("--final", help="Also measure the test rows: once, when all is chosen.")
]


@app.command()
def train(
    target: Annotated[Path, typer.Argument(help="Model folder to write.")],
    *,
    recipe: Annotated[
        Path | None, typer.Option(help="JSON file of hyperparameters, as `tune` writes it.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the rows.", min=1)] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    rows: Annotated[
        int | None, typer.Option(help="Only so many training rows a task.", min=1)
    ] = None,
    teacher: Annotated[
        list[Path] | None, typer.Option(help="Model folder to learn from; repeatable.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of shuffling and the new head.")] = None,
    final: Final = False,
    register: Register = True,
    json_: Json = False,
) -> None:
    """Fine-tune on emotion and sentiment rows, export to INT8 ONNX, measure, register.

    Example: BAROMETER_BASE_MODEL=./minilm barometer train runs/first --epochs 5
    """
    from training.experiment import Audience, run_experiment
    from training.finetune import Epoch
    from training.origin import Origin
    from training.recipe import read_recipe
    from training.register import register as register_folder
    from training.tables import show_data, show_metrics, show_parity, tell_registered

    config = settings()
    given = {"epochs": epochs, "learning_rate": learning_rate, "seed": seed}
    chosen = read_recipe(recipe, {k: value for k, value in given.items() if value is not None})
    origin = Origin(
        config.base_model, config.emotion_data, config.sentiment_data, rows, tuple(teacher or ())
    )
    with progress("fine-tuning") as (bar, task):

        def on_step(done: int, steps: int, loss: float) -> None:
            bar.update(task, completed=done, total=steps, note=f"loss {loss:.3f}")

        def on_epoch(epoch: Epoch) -> None:
            figures = "  ".join(f"{name} {value:.4f}" for name, value in epoch.metrics.items())
            bar.console.print(f"epoch {epoch.number}  {figures}")

        def on_kept(checkpoint: Path) -> None:
            bar.console.print(
                f"the best epoch so far is kept: barometer export {checkpoint} {target}"
            )

        audience = Audience(show_data, on_step, on_epoch, show_parity, on_kept)
        metrics = run_experiment(config, origin, chosen, target, audience, final=final)
    version = register_folder(config, target) if register else None
    show_metrics(metrics | {"version": version}, as_json=json_)
    tell_registered(target, version)


@app.command()
def export(
    checkpoint: Annotated[
        str, typer.Argument(help="Checkpoint that `train` has written; with --labels, any.")
    ],
    target: Annotated[Path, typer.Argument(help="Model folder to write.")],
    *,
    labels: Annotated[
        Path | None,
        typer.Option(help="JSON: the labels of a hub name or folder, each with ours or null."),
    ] = None,
    final: Final = False,
    keep_fp32: Annotated[
        bool,
        typer.Option("--keep-fp32", help="Keep the FP32 graph, for BAROMETER_BACKEND=openvino."),
    ] = False,
    json_: Json = False,
) -> None:
    """Export a checkpoint to fused INT8 ONNX; with --labels, bring in a model with other labels.

    Example: barometer export .barometer/checkpoints/first runs/first
    """
    from training.bring_in import bring_in
    from training.origin import Origin
    from training.package import package
    from training.tables import show_metrics, show_parity

    config = settings()
    origin = Origin(config.base_model, config.emotion_data, config.sentiment_data)
    if labels is None:
        metrics = package(
            Path(checkpoint), origin.load(), target, show_parity, final=final, keep_fp32=keep_fp32
        )
    else:
        metrics = bring_in(
            checkpoint, labels, origin.load(), target, show_parity,
            lambda line: print_line(line, to_people=True), final=final, keep_fp32=keep_fp32,
        )  # fmt: skip
    show_metrics(metrics, as_json=json_)


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(help="Model folder.")],
    *,
    split: Annotated[str, typer.Option(help="release, validation or test.")] = "validation",
    output: Annotated[
        Path | None, typer.Option(help="Folder for plots and evaluation.json.")
    ] = None,
    json_: Json = False,
) -> None:
    """Study a model folder on labelled rows: figures, baselines, slices, behaviour, plots.

    Example: barometer evaluate models/starter --output evaluation
    """
    from inference.classifier import Classifier
    from inference.model_folder import open_model_folder
    from training.data import load_task
    from training.study.study import evaluation_report, prepare_output, write_report
    from training.study.tables import print_study

    if split not in ("release", "validation", "test"):
        raise InputError("split: must be release, validation or test.", "split")
    config = settings()
    classifier = Classifier(open_model_folder(folder), config.session_threads)
    target = output or config.state / "evaluations" / folder.resolve().name / split
    prepare_output(target)
    with progress("evaluating") as (bar, task):

        def on_step(done: int, steps: int, note: str) -> None:
            bar.update(task, completed=done, total=steps, note=note)

        on_step(0, 1, "rows")
        data = {
            "emotion": load_task("emotion", config.emotion_data),
            "sentiment": load_task("sentiment", config.sentiment_data),
        }
        report = evaluation_report(classifier, data, split, on_step)
        files = write_report(report, target)
    if json_:
        print_json({**report, "files": [str(file) for file in files]})
        return
    print_study(report)
    print_line(f"plots and {files[-1].name} are in {target}")


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
        if json_:
            print_json({"version": version, "alias": CHALLENGER, "folder": str(register)})
        else:
            print_line(f"registered {register} as version {version}, alias {CHALLENGER}")
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
