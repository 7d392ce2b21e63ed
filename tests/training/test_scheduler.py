"""Ray's schedulers as a search sets them up."""

import pickle
import random
from typing import Any

import pytest
from ray.tune.experiment import Trial

from barometer.settings import Settings
from barometer.tracking import EXPERIMENT, mlflow_client
from training.origin import Origin
from training.search.plan import Plan
from training.search.progress import LISTENER, Listener
from training.search.runs import SearchRuns, trial_tags
from training.search.scheduler import scheduler_of
from training.search.space import MUTABLE, first_point, recipe_of, search_space, within


def plan_of(scheduler: Any, epochs: int = 4) -> Plan:
    return Plan(
        run_id="a", trials=4, epochs=epochs, scheduler=scheduler, seed=7, rdrop=False,
        origin=Origin("base", "emotion", "sentiment"), digests={}, cpus=1, gpus=0, concurrent=1,
    )  # fmt: skip


@pytest.mark.parametrize("edge", ["lower", "upper"])
def test_population_steps_never_leave_the_space(edge: str) -> None:
    random.seed(5)
    space = search_space(4, fixed_epochs=True, rdrop=False)
    scheduler: Any = scheduler_of(plan_of("pbt"), space)
    config = {**first_point(space, 4), "epochs": 4}
    config |= {name: getattr(space[name], edge) for name in MUTABLE}
    seen = []
    for _ in range(50):
        parent = Trial("trained", config=config, stub=True)
        changed, _ = scheduler._get_new_config(parent, parent)
        recipe_of(changed, 7)  # raises where a value is none of a recipe's
        assert all(space[n].lower <= changed[n] <= space[n].upper for n in MUTABLE)
        assert {n: v for n, v in changed.items() if n not in MUTABLE} == {
            n: v for n, v in config.items() if n not in MUTABLE
        }
        seen.append(changed)
    at_edge = [c for c in seen if c["class_weight_power"] == getattr(space[MUTABLE[2]], edge)]
    assert 0 < len(at_edge) < len(seen)  # clamped there, and still free to move inwards


def test_value_outside_moves_to_the_nearest_edge_and_no_other_changes() -> None:
    space = search_space(4, fixed_epochs=True, rdrop=False)
    config = {"class_weight_power": 1.2, "learning_rate": 1e-5, "dropout": 0.1, "batch_size": 99}
    assert within(space, config) == {
        "class_weight_power": 1.0, "learning_rate": 5e-5, "dropout": 0.1, "batch_size": 99,
    }  # fmt: skip


def begun_trial(runs: SearchRuns, number: int, scores: list[float]) -> Trial:
    """A trial as Ray restores it, with the MLflow run that it has written."""
    trial = Trial("trained", trial_id=f"a_0000{number}", stub=True)
    experiment = runs.client.get_experiment_by_name(EXPERIMENT).experiment_id
    tags = trial_tags(runs.run_id, trial.trial_id)
    run = runs.client.create_run(experiment, tags=tags).info.run_id
    for epoch, score in enumerate(scores, start=1):
        runs.client.log_metric(run, "score", score, step=epoch)
        trial.run_metadata.last_result = {"epoch": epoch, "score": score}
    return trial


def test_resumed_asha_knows_its_rungs(settings: Settings) -> None:
    runs = SearchRuns.start(mlflow_client(settings), "resumed")
    space = search_space(9, fixed_epochs=False, rdrop=False)
    kept = pickle.dumps(scheduler_of(plan_of("asha", 9), space))  # as Ray keeps it: without rungs
    past = [[0.5, 0.6, 0.7, 0.8], [0.4], [0.6, 0.7, 0.75]]
    restored = [begun_trial(runs, number, scores) for number, scores in enumerate(past)]
    # An epoch that is in MLflow, and that Ray has not kept: it will be run again.
    restored[2].run_metadata.last_result = {"epoch": 2, "score": 0.7}

    def decisions(scheduler: Any, *results: tuple[int, float]) -> list[str]:
        trial = Trial("trained", trial_id=f"b_{results}", stub=True)
        scheduler.on_trial_add(None, trial)
        return [
            scheduler.on_trial_result(None, trial, {"epoch": epoch, "score": score})
            for epoch, score in results
        ]

    whole: Any = scheduler_of(plan_of("asha", 9), space)  # one that was never interrupted
    resumed: Any = pickle.loads(kept)  # noqa: S301 - our own bytes
    for scheduler in (whole, resumed):
        scheduler.set_search_properties("score", "max")
    for scores in (past[0], past[1], past[2][:2]):
        decisions(whole, *enumerate(scores, start=1))
    token = LISTENER.set(Listener(lambda *_: None, lambda _: None, runs, 4, 9))
    try:
        for trial in restored:
            resumed.on_trial_add(None, trial)
    finally:
        LISTENER.reset(token)
    assert [list(scores.values()) for _, scores in resumed._brackets[0]._rungs] == [
        list(scores.values()) for _, scores in whole._brackets[0]._rungs
    ]
    assert decisions(resumed, (1, 0.45)) == decisions(whole, (1, 0.45)) == ["STOP"]
    assert resumed.on_trial_result(None, restored[2], {"epoch": 3, "score": 0.75}) == "CONTINUE"
    assert decisions(resumed, (1, 0.9), (2, 0.9), (3, 0.6)) == ["CONTINUE", "CONTINUE", "STOP"]
