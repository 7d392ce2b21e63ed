"""One trial of a search, as it runs inside Ray: epochs, checkpoints, and an MLflow run of its own.

The run is found again by the trial's name, so that a trial that Ray restarts (a resumed search, an
exploit of population based training) goes on in it. The driver ends it, as it alone knows why a
trial stopped.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import torch
from ray import tune
from ray.air.integrations.mlflow import setup_mlflow

from barometer.settings import Settings
from barometer.tracking import EXPERIMENT, mlflow_client
from training.data import TaskData
from training.finetune import Finetuning
from training.recipe import Recipe
from training.search.runs import find_trial_run, trial_tags
from training.search.space import recipe_of


@dataclass(frozen=True)
class Job:
    """What all trials of a search share; Ray hands it to them."""

    base_model: str
    data: dict[str, TaskData]
    """Training and validation rows; the other splits are empty, no trial may see them."""
    seed: int
    threads: int
    mutable: bool
    """Whether the scheduler changes a trial's configuration as it runs."""
    tracking_uri: str
    parent: str
    """MLflow run of the search."""
    source: dict[str, str]
    """Tags that tell which code runs; a worker may have no checkout."""


def run_trial(config: dict[str, Any], *, job: Job) -> None:
    """Fine-tune as `config` says, from the trial's checkpoint if it has one; report each epoch."""
    torch.set_num_threads(job.threads)
    recipe = recipe_of(config, job.seed)
    _open_run(job, config, recipe)
    run = Finetuning(job.base_model, job.data, recipe)
    checkpoint = tune.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            run.load_state(Path(folder))
    while run.epoch < recipe.epochs:
        epoch = run.run_epoch(lambda *_: None)
        reached = {"score": epoch.score, "loss": epoch.loss, **epoch.metrics}
        now = {f"config.{name}": float(config[name]) for name in config} if job.mutable else {}
        # Logged first: no line after the report is reached where the scheduler stops the trial.
        mlflow.log_metrics(reached | now, step=epoch.number)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "checkpoint"
            run.save_model(folder)
            run.save_state(folder)
            tune.report({**reached, "epoch": epoch.number}, checkpoint=tune.Checkpoint(folder))


def _open_run(job: Job, config: dict[str, Any], recipe: Recipe) -> None:
    """Start the trial's MLflow run, or go on with it where there is one.

    MLflow holds a parameter for good. What the scheduler may change is no parameter, but a metric.
    """
    client = mlflow_client(Settings(mlflow_tracking_uri=job.tracking_uri))
    name = tune.get_context().get_trial_id()
    known = find_trial_run(client, job.parent, name)
    if known is not None:
        mlflow.start_run(run_id=known)  # which setup_mlflow then takes
    held = {
        key: value
        for key, value in recipe.model_dump().items()
        if not (job.mutable and key in config)
    }
    setup_mlflow(
        held,
        tracking_uri=job.tracking_uri,
        registry_uri=job.tracking_uri,
        experiment_name=EXPERIMENT,
        run_name=name,
        tags=trial_tags(job.parent, name) | job.source,
    )
