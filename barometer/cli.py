"""The `barometer` command, the composition root: each command imports its room when called."""

import os
import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from barometer import __version__
from barometer.console import print_json, print_line, print_table, progress
from barometer.errors import InputError, SettingsError, SourceError
from barometer.settings import settings

app = typer.Typer(
    name="barometer",
    help="Measures public mood around events while they happen.\n\n"
    "Example: barometer up, then open http://127.0.0.1:3000",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def up(
    *,
    replay: Annotated[
        bool, typer.Option(help="Replay recorded posts (BAROMETER_REPLAY, or the bundled ones).")
    ] = True,
    track: Annotated[
        str | None, typer.Option(help="Track this in the news; empty: nothing.")
    ] = None,
) -> None:
    """Start everything on this machine and show a live stream.

    Example: BAROMETER_REPLAY=tweets.jsonl barometer up
    """
    from flows.machine import start_machine

    start_machine(settings(), replay=replay, topic=track)


@app.command()
def serve() -> None:
    """Run the HTTP service and dashboard alone.

    Example: BAROMETER_PORT=8080 barometer serve
    """
    from serving.run import bento_command, bento_environment, is_free

    config = settings()
    if not is_free(config.port):
        raise SettingsError(
            f"BAROMETER_PORT={config.port} is taken by another program: choose another port."
        )
    os.environ.update(bento_environment(config))
    command = bento_command(config)
    os.execv(command[0], command)  # noqa: S606 - our own command line, no shell


@app.command()
def work(
    *, name: Annotated[str, typer.Option(help="This worker's name; the same after a restart.")] = ""
) -> None:
    """Classify and store posts from the stream until stopped.

    Example: barometer work --name scorer-1
    """
    from barometer.database import database_url, engine_for, migrate
    from barometer.redis_server import connected
    from serving.parts import champion_or_starter
    from serving.scorer import Scorer

    config = settings()
    redis = connected(config, wait_s=30)
    migrate(database_url(config))
    model, _ = champion_or_starter(config)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    scorer = Scorer(redis, engine_for(database_url(config)), model, config.scorer_batch, name)
    print_line(f"scoring with model version {model.version}")
    scorer.run(stop)
    print_line(f"stopped after {scorer.stored} posts")


@app.command()
def ingest(
    *,
    source: Annotated[str, typer.Option(help="`replay` or a source that `sources` lists.")] = "rss",
    event: Annotated[str, typer.Option(help="Only for this event's slug.")] = "",
    json_: Json = False,
) -> None:
    """Read a source for the tracked events into the stream, once (a replay: until stopped).

    Example: barometer ingest --source rss --event budget
    """
    from ingestion.command import ingest_once

    readings = ingest_once(settings(), source, event or None)
    if json_:
        print_json([vars(reading) for reading in readings])
    else:
        rows = [
            (r.source, r.event, r.accepted, r.duplicates, r.rejected, r.error or "")
            for r in readings
        ]
        columns = ("source", "event", "accepted", "duplicates", "rejected", "fault")
        print_table("Read into the stream", columns, rows)
    if readings and all(reading.error for reading in readings):
        raise SourceError(f"{source}: no reading succeeded; the first says: {readings[0].error}")


@app.command("sources")
def list_sources(*, json_: Json = False) -> None:
    """Show every source and whether it is ready.

    Example: barometer sources --json
    """
    from ingestion.catalog import source_lines

    lines = source_lines(settings())
    if json_:
        print_json([vars(line) for line in lines])
        return
    rows = [(line.name, line.state, line.detail) for line in lines]
    print_table("Sources", ("source", "state", "detail"), rows)


@app.command()
def track(
    title: Annotated[str, typer.Argument(help="What people call it.")],
    *,
    keyword: Annotated[
        list[str] | None, typer.Option(help="Words to look for; repeatable.")
    ] = None,
    slug: Annotated[str, typer.Option(help="Its name in addresses; made from the title.")] = "",
    json_: Json = False,
) -> None:
    """Track an event: the sources are read for it from the next run of the ingest flow on.

    Example: barometer track "City budget" --keyword budget --keyword council
    """
    from barometer.database import database_url, engine_for, migrate
    from barometer.events import event_row, new_event
    from barometer.events import track as start_tracking
    from barometer.search import link_stored

    url = database_url(settings())
    migrate(url)
    event = new_event(title, keyword or (), ("rss",), slug or None)
    start_tracking(engine_for(url), event)
    linked = link_stored(engine_for(url), event_row(engine_for(url), event.slug).id, event.keywords)
    if json_:
        print_json(event.model_dump(mode="json") | {"linked": linked})
    else:
        print_line(f"tracking {event.title!r} as {event.slug}; {linked} stored posts mention it")


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
    json_: Json = False,
) -> None:
    """Fine-tune on emotion and sentiment rows, export to INT8 ONNX, measure.

    Example: BAROMETER_BASE_MODEL=./minilm barometer train runs/first --epochs 5
    """
    from training.finetune import Epoch, Recipe
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
        metrics = run_training(origin, recipe, checkpoint, target, on_step, on_epoch)
    _show_metrics(metrics, as_json=json_)


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint that `train` has written.")],
    target: Annotated[Path, typer.Argument(help="Model folder to write.")],
    *,
    json_: Json = False,
) -> None:
    """Export a checkpoint again: fused INT8 ONNX, temperatures, figures.

    Example: barometer export .barometer/checkpoints/first runs/first
    """
    from training.train import Origin, package

    config = settings()
    origin = Origin(config.base_model, config.emotion_data, config.sentiment_data)
    metrics = package(checkpoint, origin.load(), target)
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
def drift(*, json_: Json = False) -> None:
    """Compare the live window with the reference and write a drift report.

    Example: barometer drift --json
    """
    from monitoring.command import report_now

    summary = report_now(settings())
    if json_:
        print_json(summary)
        return
    rows = [(name, c["test"], c["score"], c["threshold"], "yes" if c["drifted"] else "no")
            for name, c in summary["columns"].items()]  # fmt: skip
    title = f"{summary['posts']} live posts against {summary['reference']}"
    print_table(title, ("column", "test", "score", "threshold", "drifted"), rows)


@app.command("dead-letters")
def dead_letters(
    *,
    replay: Annotated[
        bool, typer.Option("--replay", help="Put them back into the stream.")
    ] = False,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 100,
    json_: Json = False,
) -> None:
    """List posts that could not be stored, with the reason; or try them again.

    Example: barometer dead-letters --replay
    """
    from barometer.redis_server import connected
    from barometer.stream import PostStream

    stream = PostStream(connected(settings()))
    letters = stream.dead_letters(limit)
    if replay:
        for letter_id, fields in letters:
            stream.revive(letter_id, fields)
        print_line(f"{len(letters)} dead letters are back in the stream")
    elif json_:
        print_json([{"id": letter_id, **fields} for letter_id, fields in letters])
    else:
        rows = [(letter_id, fields["reason"]) for letter_id, fields in letters]
        print_table("Dead letters", ("id", "reason"), rows)


@app.command()
def version() -> None:
    """Print Barometer's version."""
    print_line(__version__)


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
