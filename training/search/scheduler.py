"""Which trials of a search go on, and how: ASHA, or population based training."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, PopulationBasedTraining, TrialScheduler

from training.search.plan import Plan
from training.search.progress import LISTENER, epochs_of
from training.search.space import mutations, within

REDUCTION = 3
"""ASHA lets the best third of the trials past a rung."""


class ResumableAsha(AsyncHyperBandScheduler):
    """ASHA whose rungs outlive a resume.

    Ray restores the trials of a search and begins with an empty scheduler, which would let the next
    trial past every rung. A restored trial is added with the epochs that it has done, so each is
    told again, from the trial's run: the rungs then hold what they held. What to do with the trial
    was decided then; a new one has no past and is told nothing.
    """

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """A trial joins the search: a new one, or one that is restored."""
        super().on_trial_add(tune_controller, trial)
        done = epochs_of(trial)
        if not done:
            return
        scores = LISTENER.get().runs.scores(trial.trial_id)
        for epoch in sorted(epoch for epoch in scores if epoch <= done):
            told = {"epoch": epoch, "score": scores[epoch]}
            self.on_trial_result(tune_controller, trial, told)


def scheduler_of(plan: Plan, space: Mapping[str, Any]) -> TrialScheduler:
    """The scheduler that the plan asks for.

    Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning"; Jaderberg et al. 2017,
    "Population Based Training of Neural Networks".
    """
    if plan.scheduler == "asha":
        return ResumableAsha(
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
