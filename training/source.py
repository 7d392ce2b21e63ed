"""Which code runs, as a model's notes and MLflow's tags tell it."""

import subprocess
from functools import cache
from typing import Any

from barometer.settings import REPOSITORY

GIT = "git"
"""Key of `git_state` in `training.json` and `metrics.json`: the code that made the model."""


@cache
def git_state() -> dict[str, Any]:
    """The `commit` that is checked out, and whether it is `dirty`; empty without a checkout.

    Asked once a process, when its run begins: what runs is the code that was loaded then, whatever
    is checked out by the time that a long training ends.
    """
    try:
        commit = _git("rev-parse", "HEAD")
        changed = bool(_git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):  # no git, or no checkout: an installed package
        return {}
    return {"commit": commit, "dirty": changed}


def source_tags() -> dict[str, str]:
    """The command and the commit that run, as MLflow's own tags name them."""
    source, state = {"mlflow.source.name": "barometer"}, git_state()
    if state:
        source["mlflow.source.git.commit"] = state["commit"]
        source["git.dirty"] = str(state["dirty"]).lower()
    return source


def _git(*arguments: str) -> str:
    command = ("git", "-C", str(REPOSITORY), *arguments)
    return subprocess.run(  # noqa: S603 - our own command line, no shell
        command, capture_output=True, text=True, timeout=10, check=True
    ).stdout.strip()
