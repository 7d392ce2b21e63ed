"""Which trials of a search go on, and how: ASHA, or population based training."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler, PopulationBasedTraining, TrialScheduler

from training.search.plan import Plan
from training.search.space import mutations, within

REDUCTION = 3
"""ASHA lets the best third of the trials past a rung."""


def scheduler_of(plan: Plan, space: Mapping[str, Any]) -> TrialScheduler:
    """The scheduler that the plan asks for.

    Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning"; Jaderberg et al. 2017,
    "Population Based Training of Neural Networks".
    """
    if plan.scheduler == "asha":
        return AsyncHyperBandScheduler(
            time_attr="epoch", max_t=plan.epochs, grace_period=1, reduction_factor=REDUCTION
        )
    changeable = mutations(space)
    return PopulationBasedTraining(
        time_attr="epoch",
        perturbation_interval=1,
        hyperparam_mutations=changeable,
        # Ray multiplies by 1.2 or 0.8 wherever that leads, so out of what a recipe allows too.
        custom_explore_fn=partial(within, changeable),
    )
