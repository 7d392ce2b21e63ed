"""A drift report in a few lines that a person reads."""

from collections.abc import Mapping
from typing import Any


def told(others: Mapping[str, int]) -> str:
    """How many posts were left out for their language; empty where none was."""
    each = ", ".join(f"{name} {posts:,}" for name, posts in sorted(others.items()))
    return f"Left out, in other languages: {each}." if others else ""


def as_markdown(report: dict[str, Any], port: int) -> str:
    """Verdict, table of columns, and where Evidently's page is."""
    verdict = "**Drift**" if report["drifted"] else "No drift"
    rows = "\n".join(
        f"| {name} | {found['test']} | {found['score']:.3f} | {found['threshold']} "
        f"| {'yes' if found['drifted'] else 'no'} |"
        for name, found in report["columns"].items()
    )
    names = ", ".join(report["left_out"])
    missing = f"Not compared, since a model lacks them: {names}.\n\n" if names else ""
    others = told(report["other_languages"])
    missing += f"{others}\n\n" if others else ""
    return (
        f"{verdict}: {report['posts']:,} live posts against {report['reference']}.\n\n"
        "| column | distance | score | threshold | drifted |\n|---|---|---:|---:|---|\n"
        f"{rows}\n\n{missing}[Evidently's report](http://127.0.0.1:{port}{report['url']})\n"
    )
