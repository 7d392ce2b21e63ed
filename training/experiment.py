"""`barometer train`: one training as one MLflow run, from the rows to the registered challenger."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barometer.settings import Settings
from barometer.tracking import mlflow_client
from training.finetune import Epoch, Progress
from training.package import package
from training.parity import Variant
from training.recipe import Recipe
from training.run_files import log_data, log_export, log_study
from training.runs import log_figures, log_origin, open_run
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
        made_of = {"base_model": Path(origin.base_model).name, "recipe": recipe.model_dump()}
        log_origin(client, run_id, made_of)
        audience.on_data(log_data(client, run_id, origin, data))

        def on_epoch(epoch: Epoch) -> None:
            log_figures(client, run_id, {"loss": epoch.loss, **epoch.metrics}, epoch.number)
            audience.on_epoch(epoch)

        def on_export(variants: list[Variant]) -> None:
            log_export(client, run_id, variants)
            audience.on_export(variants)

        train(origin, data, recipe, checkpoint, audience.on_step, on_epoch)
        metrics = package(checkpoint, data, target, on_export, final=final, run_id=run_id)
        log_study(settings, run_id, target, data)
    return metrics
