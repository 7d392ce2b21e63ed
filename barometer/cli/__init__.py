"""The `barometer` command, the composition root: each command imports its room when called."""

import typer

from barometer import __version__
from barometer.cli import (
    analyses,
    bench,
    forget,
    keys,
    machine,
    posts,
    quality,
    sources,
    stored,
)
from barometer.console import print_line
from training.commands import app as model_commands

app = typer.Typer(
    name="barometer",
    help="Measures public mood around events while they happen.\n\n"
    "Example: barometer up, then open http://127.0.0.1:3000",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(machine.app)
app.add_typer(posts.app)
app.add_typer(forget.app)
app.add_typer(sources.app, name="sources")
app.add_typer(analyses.app)
app.add_typer(model_commands)
app.add_typer(quality.app)
app.add_typer(bench.app, name="bench", help="Measure a running service, or this machine.")
app.add_typer(stored.app, name="posts", help="Export stored posts, or delete some.")
app.add_typer(keys.app, name="keys", help="Make API keys.")


@app.command()
def version() -> None:
    """Print Barometer's version."""
    print_line(__version__)
