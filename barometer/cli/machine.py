"""Commands that run Barometer: all of it, the service, or a worker."""

import os
from typing import Annotated

import typer

from barometer.errors import SettingsError
from barometer.settings import settings

app = typer.Typer()


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
    *,
    workers: Annotated[int, typer.Option(help="Processes; each has its own model.", min=1)] = 1,
    name: Annotated[
        str, typer.Option(help="Its name among all scorers; empty: one made of the host's name.")
    ] = "",
) -> None:
    """Classify and store posts from the stream until stopped.

    Any number of workers, on any number of machines, share the stream.

    Example: barometer work --workers 4
    """
    if workers == 1:
        from serving.worker import run_worker

        run_worker(settings(), name)
    else:
        from serving.workers import run_workers

        run_workers(settings(), workers, name)
