"""Write the folder of an adapted model: the old one's files, with a corrected graph and figures."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from barometer.labels import LABELS, TASKS, task_slice
from inference.model_folder import ModelFolder
from training.adaptation.graft import graft
from training.adaptation.head import ChosenHead
from training.adaptation.replay import Replay
from training.runs import RUN
from training.source import GIT, git_state

FIGURES = ("validation", "test", "release")
"""Sections of `metrics.json` that hold a task's figures."""
PASSING = (RUN, GIT, "export", "search")
"""What is true of the older model's making alone; the rest, such as its rows, the new one owes."""


def write_adapted(
    old: ModelFolder, target: Path, heads: dict[str, ChosenHead], replay: Replay | None, name: str
) -> None:
    """Write `target` as `old` with the `heads` grafted in; the figures follow with `write_record`.

    Figures of the tasks that have a new head are left out of `metrics.json`: they were the old
    one's. So are its reference answers, which the caller writes anew.
    """
    target.mkdir()
    for file in old.path.iterdir():
        if file.is_file() and file.name not in ("model.onnx", "reference.csv"):
            shutil.copyfile(file, target / file.name)  # not its mode: it may be read-only
    first = next(iter(heads.values())).head
    weight = np.zeros((first.weight.shape[0], len(LABELS)), dtype=np.float32)
    bias = np.zeros(len(LABELS), dtype=np.float32)
    for task, chosen in heads.items():
        weight[:, task_slice(task)] = chosen.head.weight
        bias[task_slice(task)] = chosen.head.bias
    graft(old.path / "model.onnx", target / "model.onnx", weight, bias)
    if replay is not None:
        shifted = replay.logits + replay.pooled.astype(np.float32) @ weight + bias
        replace(replay, logits=shifted).write(target)
    config = json.loads((target / "config.json").read_text())
    config["barometer"]["name"] = name
    for task, chosen in heads.items():
        config["barometer"]["temperatures"][task] = round(chosen.temperature, 4)
    (target / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    metrics = old.metrics
    for section in FIGURES:
        held = metrics.get(section, {})
        metrics[section] = {
            task: held[task] for task in TASKS if task in held and task not in heads
        }
    metrics = {
        key: value
        for key, value in metrics.items()
        if key not in PASSING and (key not in FIGURES or value)
    }
    (target / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")


def write_record(target: Path, validation: dict[str, Any], record: dict[str, Any]) -> None:
    """Add what was measured anew and how the model came about to `metrics.json` and the card.

    Args:
        target: the adapted model's folder.
        validation: figures a task on the old validation rows; empty where there are none.
        record: goes into `metrics.json` as `adapted_from`.
    """
    metrics = json.loads((target / "metrics.json").read_text())
    if validation:
        metrics = {"validation": metrics.get("validation", {}) | validation} | {
            key: value for key, value in metrics.items() if key != "validation"
        }
    metrics["adapted_from"] = record
    metrics[GIT] = git_state()
    (target / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    card = target / "README.md"
    before = card.read_text() if card.is_file() else ""
    card.write_text(before + _paragraph(target.name, record))


def _paragraph(name: str, record: dict[str, Any]) -> str:
    tasks = " and ".join(record["tasks"])
    introduction = (
        "A correction that is linear in the pooled features was learnt for "
        f"{tasks} and added to the logits. What stands above is the older model's; these are the "
        "figures before and after, on rows later than all that were learnt:"
    )
    lines = [
        f"\n## {name}: adapted from {record['name']}\n",
        f"{introduction}\n",
        "| task | rows learnt | rows measured | accuracy | macro-F1 |",
        "|---|---:|---:|---:|---:|",
    ]
    for task, one in record["tasks"].items():
        before, after = one["before"], one["after"]
        lines.append(
            f"| {task} | {one['rows_learnt']} | {after['rows']} "
            f"| {before['accuracy']['value']:.3f} to {after['accuracy']['value']:.3f} "
            f"| {before['macro_f1']['value']:.3f} to {after['macro_f1']['value']:.3f} |"
        )
    if record["cost"]:
        lines += ["", "On the validation rows of the older model's own domain:", ""]
        lines += ["| task | rows | accuracy | macro-F1 |", "|---|---:|---:|---:|"]
        lines += [
            f"| {task} | {one['after']['rows']} "
            f"| {one['before']['accuracy']:.3f} to {one['after']['accuracy']:.3f} "
            f"| {one['before']['macro_f1']:.3f} to {one['after']['macro_f1']:.3f} |"
            for task, one in record["cost"].items()
        ]
    return "\n".join(lines) + "\n"
