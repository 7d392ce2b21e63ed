"""The `barometer` command, the composition root: each command imports its room when called."""

import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from barometer import __version__
from barometer.api_keys import SCOPES, new_key
from barometer.console import print_json, print_line, print_table
from barometer.errors import InputError, SettingsError, SourceError, UnavailableError
from barometer.options import Json
from barometer.settings import settings
from training.commands import app as model_commands

app = typer.Typer(
    name="barometer",
    help="Measures public mood around events while they happen.\n\n"
    "Example: barometer up, then open http://127.0.0.1:3000",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(model_commands)
bench_app = typer.Typer(no_args_is_help=True)
app.add_typer(bench_app, name="bench", help="Measure a running service, or this machine.")
keys_app = typer.Typer(no_args_is_help=True)
app.add_typer(keys_app, name="keys", help="Make API keys.")


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
    command = bento_command()
    os.execv(command[0], command)  # noqa: S606 - our own command line, no shell


@app.command()
def work(
    *, name: Annotated[str, typer.Option(help="This worker's name; the same after a restart.")] = ""
) -> None:
    """Classify and store posts from the stream until stopped.

    Example: barometer work --name scorer-1
    """
    import serving.lean  # noqa: F401 - before whatever imports MLflow
    from barometer.database import database_url, engine_for, migrate
    from barometer.metrics import show_on
    from barometer.redis_server import connected
    from serving.model_watch import ModelWatch
    from serving.models import Models
    from serving.parts import champion_or_starter
    from serving.scorer import Scorer

    config = settings()
    if config.work_metrics_port:
        show_on(config.work_metrics_port)
    redis = connected(config, wait_s=30)
    migrate(database_url(config))
    models = Models(*champion_or_starter(config))
    watch = ModelWatch(config, models, None)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    scorer = Scorer(redis, engine_for(database_url(config)), models, config.scorer_batch, name)
    print_line(f"scoring with model version {models.champion.version}")
    watch.start()
    scorer.run(stop)
    watch.stop()
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


@keys_app.command("new")
def make_key(
    name: Annotated[str, typer.Argument(help="Who will hold it; it names the key in the logs.")],
    *,
    scope: Annotated[
        list[str] | None, typer.Option(help="read or write; repeatable. Unset: read.")
    ] = None,
    json_: Json = False,
) -> None:
    """Make an API key: it is shown this once, and the setting keeps its digest only.

    Example: barometer keys new reporter --scope read --scope write
    """
    wanted = scope or ["read"]
    unknown = set(wanted) - set(SCOPES)
    if unknown:
        raise InputError(f"--scope: {unknown.pop()!r} is none; there are {' and '.join(SCOPES)}.")
    try:
        key, kept = new_key(name, [known for known in SCOPES if known in wanted])
    except ValueError as error:
        raise InputError(
            f"NAME: {name!r} cannot be used: take letters, digits, dots and hyphens."
        ) from error
    if json_:
        print_json({"key": key, "entry": kept.entry})
        return
    print_line(f"key, shown this once: {key}")
    print_line(f"add to BAROMETER_API_KEYS: {kept.entry}")


@bench_app.command("stress")
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


@bench_app.command("backends")
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

    The texts are emotion's validation rows where BAROMETER_EMOTION_DATA is set, else bundled posts.

    Example: barometer bench backends --checkpoint .barometer/checkpoints/first
    """
    from ingestion.replay import bundled_recording, load_recording
    from serving.parts import STARTER
    from training.bench.backends import Texts
    from training.bench.command import compare_backends, labelled_texts

    config = settings()
    given = labelled_texts(config, rows)
    if given is None:
        posts = load_recording(bundled_recording()).lines[:rows]
        given = Texts("bundled posts without labels", [post.text for post in posts], [])
    compare_backends(config, folder or STARTER, checkpoint, given, price, as_json=json_)


@app.command()
def version() -> None:
    """Print Barometer's version."""
    print_line(__version__)
