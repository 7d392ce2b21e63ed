"""`barometer bench`: measure a running service, or this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from barometer.console import print_json, print_table, progress
from barometer.errors import LossError, UnavailableError
from barometer.options import Json
from barometer.settings import Settings, settings

if TYPE_CHECKING:
    from training.bench.backends import Texts

app = typer.Typer(no_args_is_help=True)


@app.command("stress")
def stress_service(
    *,
    url: Annotated[str, typer.Option(help="The service; unset: the one on this machine.")] = "",
    callers: Annotated[int, typer.Option(help="Requests under way at once.", min=1)] = 16,
    seconds: Annotated[float, typer.Option(help="How long.", min=0.1)] = 10.0,
    same: Annotated[
        bool, typer.Option("--same", help="Ask for one text again and again: the caches answer.")
    ] = False,
    key: Annotated[
        str, typer.Option(envvar="API_KEY", show_default=False, help="An API key that may read.")
    ] = "",
    json_: Json = False,
) -> None:
    """Ask a running service for many predictions at once, and count what came of them.

    Example: barometer bench stress --callers 32 --seconds 20
    """
    import asyncio

    from serving.stress import stress

    target = url or f"http://127.0.0.1:{settings().port}"
    seen = asyncio.run(stress(target, callers=callers, seconds=seconds, same=same, key=key))
    if json_:
        print_json(seen.summary())
    else:
        print_table(f"{callers} callers on {target}", ("what", "value"), seen.rows())
    if not seen.answered:
        raise UnavailableError(f"{target}: no request was answered; the table says why.")


@app.command("faults")
def bench_faults(
    *,
    posts: Annotated[int, typer.Option(help="Posts to send.", min=100)] = 20_000,
    seconds: Annotated[float, typer.Option(help="How long things break.", min=10)] = 180.0,
    seed: Annotated[int, typer.Option(help="Draws what is posted and what breaks when.")] = 1,
    workers: Annotated[int, typer.Option(help="Scorers at once.", min=1, max=16)] = 2,
    json_: Json = False,
) -> None:
    """Kill and cut everything while posts go in; prove that none is lost and none is stored twice.

    A Barometer of its own is started, with its own Redis and, where it is installed, PostgreSQL.
    Sets of ids are compared at the end. Exits with 1 where a post is lost, doubled or left over.

    Example: barometer bench faults --posts 2000 --seconds 60 --seed 7
    """
    from serving.faults.run import run_faults, tables

    found = run_faults(posts, seconds, seed, workers)
    if json_:
        print_json(found)
    else:
        for title, rows in tables(found).items():
            print_table(title, ("what", "count"), rows)
    if not found["good"]:
        raise LossError(f"not every accepted post is there once; logs are in {found['logs']}.")


@app.command("backends")
def bench_backends(
    *,
    folder: Annotated[
        Path | None, typer.Option(help="Model folder to measure; default: the starter.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Measure this checkpoint of `train` instead, in PyTorch and exported."),
    ] = None,
    rows: Annotated[int, typer.Option(help="Texts to classify.", min=20)] = 1_000,
    price: Annotated[float, typer.Option(help="US dollars an hour of this machine.")] = 0.10,
    json_: Json = False,
) -> None:
    """Compare what can run a model here: speed, latency, memory, accuracy, cost.

    The texts are emotion's validation rows where BAROMETER_EMOTION_DATA is set, else bundled posts,
    and for the accuracy plain sentences of known emotion. A folder without an FP32 graph gets one
    from its INT8 weights.

    Example: barometer bench backends --checkpoint .barometer/checkpoints/first
    """
    from serving.parts import STARTER
    from training.bench.command import compare_backends

    config = settings()
    compare_backends(
        config, folder or STARTER, checkpoint, _texts(config, rows), price, as_json=json_
    )


@app.command("pipeline")
def bench_pipeline(
    *,
    posts: Annotated[int, typer.Option(help="Posts of a round.", min=50)] = 1_024,
    rounds: Annotated[int, typer.Option(help="Rounds of each contestant.", min=1)] = 5,
    arrivals: Annotated[int, typer.Option(help="Posts whose latency is measured.", min=50)] = 2_000,
    json_: Json = False,
) -> None:
    """Measure one scorer on one core: its speed beside the bare classifier's, and its latency.

    The texts are those of `bench backends`. Its own Redis, SQLite file and, where it is installed,
    PostgreSQL are started; they and the measuring run on the other cores.

    Example: barometer bench pipeline --rounds 9 --json
    """
    from ingestion.replay import bundled_recording, load_recording
    from serving.speed.run import Plan, measure_speed, tables
    from serving.speed.texts import FreshTexts

    config = settings()
    given = _texts(config, posts)
    titles = load_recording(bundled_recording()).event_titles()
    texts = FreshTexts(given.texts)
    plan = Plan(texts, posts, titles, rounds, config.scorer_batch, arrivals)
    with progress("measuring") as (bar, task):
        bar.update(task, total=plan.steps)
        found = measure_speed(plan, lambda step: bar.update(task, advance=1, note=step))
    if json_:
        print_json({"source": given.source, **found})
        return
    for title, (columns, rows) in tables(found).items():
        print_table(title, columns, rows)


def _texts(config: Settings, rows: int) -> "Texts":
    """Labelled rows where they are set, else the bundled posts."""
    from ingestion.replay import bundled_recording, load_recording
    from training.bench.backends import Texts
    from training.bench.command import validation_rows

    given = validation_rows(config, rows)
    if given is None:
        posts = load_recording(bundled_recording()).lines[:rows]
        given = Texts("bundled posts without labels", [post.text for post in posts], [])
    return given
