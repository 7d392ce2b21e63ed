"""`barometer train`: one training as one MLflow run, from the rows to the registered challenger."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barometer.settings import Settings
from barometer.tracking import mlflow_client
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from training.data import TaskData
from training.data_report import write_data_report
from training.finetune import Epoch, Progress
from training.package import package
from training.parity import Variant
from training.recipe import Recipe
from training.runs import log_figures, log_files, log_origin, open_run
from training.study.study import evaluation_report, write_report
from training.target import check_target
from training.train import Origin, train


@dataclass(frozen=True)
class Audience:
    """Who is told what while it happens."""

    on_data: Callable[[dict[str, Any]], None]
    """The data report, before the first step."""
    on_step: Progress
    on_epoch: Callable[[Epoch], None]
    on_export: Callable[[list[Variant]], None]
    """The export's comparison, before it is judged."""


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
    checkpoint = settings.state / "checkpoints" / target.name
    with open_run(settings, f"train {target.name}") as run_id:
        with tempfile.TemporaryDirectory() as scratch:
            audience.on_data(write_data_report(data, Path(scratch)))
            log_files(client, run_id, Path(scratch), "data")

        def on_epoch(epoch: Epoch) -> None:
            log_figures(client, run_id, {"loss": epoch.loss, **epoch.metrics}, epoch.number)
            audience.on_epoch(epoch)

        train(origin, data, recipe, checkpoint, audience.on_step, on_epoch)
        metrics = package(checkpoint, data, target, audience.on_export, final=final, run_id=run_id)
        log_origin(client, run_id, metrics)
        log_study(settings, run_id, target, data)
    return metrics


def log_study(settings: Settings, run_id: str, target: Path, data: dict[str, TaskData]) -> None:
    """Log the study of a new model folder on the validation rows, plots included, to its run."""
    classifier = Classifier(open_model_folder(target), settings.session_threads)
    with tempfile.TemporaryDirectory() as scratch:
        write_report(evaluation_report(classifier, data, "validation"), Path(scratch))
        log_files(mlflow_client(settings), run_id, Path(scratch), "evaluation")
