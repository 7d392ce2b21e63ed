"""Commands about the quality of the live model."""

import typer

from barometer.console import print_json, print_line, print_table
from barometer.options import Json
from barometer.settings import settings

app = typer.Typer()


@app.command()
def drift(*, json_: Json = False) -> None:
    """Compare the live window with the reference and write a drift report.

    Example: barometer drift --json
    """
    from monitoring.command import report_now
    from monitoring.summary import told

    summary = report_now(settings())
    if json_:
        print_json(summary)
        return
    rows = [(name, c["test"], c["score"], c["threshold"], "yes" if c["drifted"] else "no")
            for name, c in summary["columns"].items()]  # fmt: skip
    title = f"{summary['posts']} live posts against {summary['reference']}"
    print_table(title, ("column", "test", "score", "threshold", "drifted"), rows)
    if others := told(summary["other_languages"]):
        print_line(others)
