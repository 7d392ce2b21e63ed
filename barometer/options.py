"""Command-line options that several commands have in common."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Register = Annotated[bool, typer.Option(help="Register the folder as challenger.")]
