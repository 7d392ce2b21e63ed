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
Register = Annotated[bool, typer.Option(help="Register the folder as challenger.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


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
    from training.recipe import read_recipe
    from training.register import register as register_folder
    from training.train import Origin

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

        audience = Audience(_show_data, on_step, on_epoch, _show_parity)
        metrics = run_experiment(config, origin, chosen, target, audience, final=final)
    version = register_folder(config, target) if register else None
    _show_metrics(metrics, as_json=json_)
    _tell_registered(target, version)


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
    json_: Json = False,
) -> None:
    """Export a checkpoint to fused INT8 ONNX; with --labels, bring in a model with other labels.

    Example: barometer export .barometer/checkpoints/first runs/first
    """
    from training.bring_in import bring_in
    from training.package import package
    from training.train import Origin

    config = settings()
    origin = Origin(config.base_model, config.emotion_data, config.sentiment_data)
    if labels is None:
        metrics = package(Path(checkpoint), origin.load(), target, _show_parity, final=final)
    else:
        metrics = bring_in(
            checkpoint, labels, origin.load(), target, _show_parity,
            lambda line: print_line(line, to_people=True), final=final,
        )  # fmt: skip
    _show_metrics(metrics, as_json=json_)


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
    from training.study import evaluation_report, prepare_output, write_report
    from training.study_tables import print_study

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
def release(
    *,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Put the former champion back.")
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
    """Make the challenger champion if it passes the gate; or put the former champion back.

    Example: barometer release, and to take it back: barometer release --rollback
    """
    from training.gate_report import as_json, print_report
    from training.promotion import rollback as put_back
    from training.release import release as run_gate

    config = settings()
    if rollback:
        if version or labels or dry_run:
            raise InputError("rollback: takes no other option.", "rollback")
        back, gone = put_back(config)
        if json_:
            print_json({"champion": back, "previous": gone})
        else:
            print_line(f"version {back} is champion again, version {gone} is previous")
        return
    with progress("gate") as (bar, task):

        def on_step(done: int, steps: int, note: str) -> None:
            bar.update(task, completed=done, total=steps, note=note)

        decision = run_gate(config, version=version, labels=labels, dry_run=dry_run,
                            progress=on_step)  # fmt: skip
    if json_:
        print_json(as_json(decision))
    else:
        print_report(decision)
    decision.raise_if_refused()


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
            _show_parity, registers=not no_register,
        )  # fmt: skip
    if json_:
        print_json(result)
        return
    _show_trials(result["trials"])
    _show_metrics(result["metrics"], as_json=False)
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


def _show_data(report: dict[str, Any]) -> None:
    from training.data_report import data_table

    print_table("Rows", *data_table(report), to_people=True)


def _show_parity(variants: list[Any]) -> None:
    from training.parity import parity_table

    print_table("Export, on the validation rows", *parity_table(variants), to_people=True)


def _tell_registered(target: Path, version: str | None) -> None:
    if version is not None:
        print_line(f"registered {target} as version {version}, alias challenger", to_people=True)
