"""`barometer train`: one training as one MLflow run, from the rows to the registered challenger."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barometer.settings import Settings
from barometer.tracking import mlflow_client
from training.data import TaskData
from training.finetune import Epoch, Progress
from training.origin import Origin
from training.package import package
from training.parity import Variant
from training.recipe import Recipe
from training.run_files import log_data, log_export, log_study
from training.runs import Curve, log_origin, open_run
from training.target import check_target
from training.train import train


@dataclass(frozen=True)
class Audience:
    """Who is told what while it happens."""

    on_data: Callable[[dict[str, Any]], None]
    """The data report, before the first step."""
    on_step: Progress
    on_epoch: Callable[[Epoch], None]
    on_export: Callable[[list[Variant]], None]
    """The export's comparison, before it is judged."""
    on_kept: Callable[[Path], None] = lambda _: None
    """The best checkpoint of a run that did not end well; `export` takes it."""


def run_experiment(
    settings: Settings,
    origin: Origin,
    recipe: Recipe,
    target: Path,
    audience: Audience,
    *,
    final: bool = False,
) -> dict[str, Any]:
    """Fine-tune, export and measure; everything on the way is logged to one MLflow run.

    Returns:
        The content of the new folder's `metrics.json`.

    Raises:
        InputError, DataError, ModelError, UnavailableError: as the parts do; the run is then
            FAILED, an existing `target` unchanged, and the best checkpoint kept.
    """
    check_target(target)
    data = origin.load()
    client = mlflow_client(settings)
    with open_run(settings, f"train {target.name}") as run_id:
        made_of = {"base_model": Path(origin.base_model).name, "recipe": recipe.model_dump()}
        log_origin(client, run_id, made_of)
        audience.on_data(log_data(client, run_id, origin, data))
        curve = Curve(client, run_id)

        def on_epoch(epoch: Epoch) -> None:
            audience.on_epoch(epoch)
            curve.add(epoch.number, {"loss": epoch.loss, **epoch.metrics})

        def on_export(variants: list[Variant]) -> None:
            log_export(client, run_id, variants)
            audience.on_export(variants)

        checkpoint = settings.state / "checkpoints" / target.name
        _fine_tune(origin, data, recipe, checkpoint, audience, on_epoch)
        metrics = package(checkpoint, data, target, on_export, final=final, run_id=run_id)
        curve.finish()
        log_study(settings, run_id, target, data)
    return metrics


def _fine_tune(
    origin: Origin,
    data: dict[str, TaskData],
    recipe: Recipe,
    checkpoint: Path,
    audience: Audience,
    on_epoch: Callable[[Epoch], None],
) -> None:
    """Train beside `checkpoint`, which is replaced only once the training has ended."""
    unfinished = checkpoint.with_name(f"{checkpoint.name}-unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    try:
        train(origin, data, recipe, unfinished, audience.on_step, on_epoch)
    except BaseException:  # an interrupt too: hours of epochs are no less worth for it
        if unfinished.exists():
            audience.on_kept(unfinished)
        raise
    if checkpoint.exists():
        shutil.rmtree(checkpoint)
    unfinished.rename(checkpoint)
