"""Ray Tune at work: build or restore the search, run it, say what each trial has reached."""

from pathlib import Path
from typing import Any

import ray
from mlflow import MlflowClient
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search.basic_variant import BasicVariantGenerator

from barometer.errors import InputError, ModelError
from training.data import TaskData
from training.origin import Origin
from training.search.outcome import Outcome, outcome_of
from training.search.plan import Plan, Request
from training.search.progress import LISTENER, Listener, SearchProgress
from training.search.ray_session import share_of
from training.search.runs import SearchRuns
from training.search.scheduler import scheduler_of
from training.search.space import described, first_point, search_space
from training.search.trial import Job, run_trial
from training.source import source_tags

POPULATION_KEEPS = 4
"""Checkpoints a trial: one that another trial is about to take over must not be gone."""


def begin(
    client: MlflowClient, request: Request, origin: Origin, digests: dict[str, str], name: str
) -> Plan:
    """Plan a new search: divide Ray's machines among its trials, begin its MLflow run."""
    share = share_of(_nodes(), request.concurrent)
    runs = SearchRuns.start(client, name)
    plan = Plan(
        run_id=runs.run_id,
        trials=request.trials,
        epochs=request.epochs,
        scheduler=request.scheduler,
        seed=request.seed,
        rdrop=request.rdrop,
        origin=origin,
        digests=digests,
        cpus=share.cpus,
        gpus=share.gpus,
        concurrent=share.concurrent,
    )
    asked = plan.model_dump(exclude={"run_id", "origin", "digests"}) | {"rows": origin.rows}
    runs.log_params(asked | described(space_of(plan)))
    return plan


def run_search(
    plan: Plan,
    data: dict[str, TaskData],
    tracking_uri: str,
    folder: Path,
    listener: Listener,
) -> list[Outcome]:
    """Run the search in `folder`, from where it stands.

    Returns:
        What became of each trial, the best first.

    Raises:
        InputError: a resumed search needs larger machines than there are.
        ModelError: every trial failed.
    """
    job = Job(
        base_model=plan.origin.base_model,
        data=data,
        seed=plan.seed,
        threads=plan.cpus,
        mutable=plan.scheduler == "pbt",
        tracking_uri=tracking_uri,
        parent=plan.run_id,
        source=source_tags(),
    )
    trainable = tune.with_resources(
        tune.with_parameters(run_trial, job=job), {"cpu": plan.cpus, "gpu": plan.gpus}
    )
    _check_room(plan)
    if tune.Tuner.can_restore(str(folder)):
        tuner = tune.Tuner.restore(str(folder), trainable, resume_errored=True)
    else:
        tuner = _tuner(plan, trainable, folder)
    token = LISTENER.set(listener)
    try:
        results = tuner.fit()
    finally:
        LISTENER.reset(token)
    outcomes = sorted(
        (outcome_of(results[i]) for i in range(len(results))), key=lambda o: -(o.score or -1.0)
    )
    if not outcomes or outcomes[0].checkpoint is None:
        reason = next((o.error for o in outcomes if o.error), "no trial ran an epoch")
        raise ModelError(f"every trial of the search failed; the first said: {reason}")
    return outcomes


def space_of(plan: Plan) -> dict[str, Any]:
    """The space that the plan searches."""
    return search_space(plan.epochs, fixed_epochs=plan.scheduler == "pbt", rdrop=plan.rdrop)


def _tuner(plan: Plan, trainable: Any, folder: Path) -> tune.Tuner:
    space = space_of(plan)
    asha = plan.scheduler == "asha"
    return tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="score",
            mode="max",
            num_samples=plan.trials,
            search_alg=BasicVariantGenerator(
                points_to_evaluate=[first_point(space, plan.epochs)],
                random_state=plan.seed,
                # A population is larger than what runs at a time: its trials take turns.
                max_concurrent=plan.concurrent if asha else 0,
            ),
            scheduler=scheduler_of(plan, space),
            reuse_actors=True,  # importing torch again takes longer than a small epoch
            trial_dirname_creator=_directory,
        ),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=str(folder.parent),
            checkpoint_config=tune.CheckpointConfig(
                num_to_keep=1 if asha else POPULATION_KEEPS,
                checkpoint_score_attribute="score",
            ),
            callbacks=[SearchProgress()],
            verbose=0,
        ),
    )


def _check_room(plan: Plan) -> None:
    nodes = [node["Resources"] for node in _nodes() if node["Alive"]]
    if not any(n.get("CPU", 0) >= plan.cpus and n.get("GPU", 0) >= plan.gpus for n in nodes):
        raise InputError(
            f"resume: this search's trials take {plan.cpus} CPU cores and {plan.gpus:g} GPU each, "
            "and no machine here has them; start another search.",
            "resume",
        )


def _nodes() -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return nodes


def _directory(trial: Trial) -> str:
    return str(trial.trial_id)
