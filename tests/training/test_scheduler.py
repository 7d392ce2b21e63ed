"""Ray's schedulers as a search sets them up."""

import random
from typing import Any

import pytest
from ray.tune.experiment import Trial

from training.search.plan import Plan
from training.search.scheduler import scheduler_of
from training.search.space import MUTABLE, first_point, recipe_of, search_space, within
from training.train import Origin


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
