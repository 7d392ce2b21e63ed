"""A search's MLflow runs: one for the search, and one a trial nested in it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Param
from mlflow.exceptions import MlflowException

from barometer.errors import UnavailableError
from barometer.tracking import EXPERIMENT
from training.source import source_tags

PARENT = "mlflow.parentRunId"
TRIAL = "barometer.trial"


def trial_tags(parent: str, trial: str) -> dict[str, str]:
    """Tags by which MLflow nests a trial's run, and by which it is found again."""
    return {PARENT: parent, TRIAL: trial}


def find_trial_run(client: MlflowClient, parent: str, trial: str) -> str | None:
    """The id of a trial's run, if it has begun one."""
    found = _runs(client, f"tags.`{PARENT}` = '{parent}' and tags.`{TRIAL}` = '{trial}'")
    return found[0].info.run_id if found else None


class SearchRuns:
    """The search's own run, and what the driver does to those of its trials."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self.client, self.run_id = client, run_id

    @classmethod
    def start(cls, client: MlflowClient, name: str) -> "SearchRuns":
        """Begin the run of a new search."""
        experiment = client.get_experiment_by_name(EXPERIMENT)
        tags = {"barometer.kind": "search", **source_tags()}
        run = client.create_run(experiment.experiment_id, run_name=f"tune {name}", tags=tags)
        return cls(client, run.info.run_id)

    def resume(self) -> None:
        """The search goes on: its run is running again."""
        self.client.update_run(self.run_id, status="RUNNING")

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Keep what the search was asked to do, or has found."""
        held = [Param(key, str(value)) for key, value in params.items()]
        self.client.log_batch(self.run_id, params=held)

    def log_best(self, config: Mapping[str, Any], score: float) -> None:
        """Keep the best configuration and its score."""
        self.log_params(config)
        self.client.log_metric(self.run_id, "score", score)

    def tag(self, name: str, value: str) -> None:
        """Set a tag of the search's run."""
        self.client.set_tag(self.run_id, name, value)

    def log_files(self, files: Sequence[Path]) -> None:
        """Keep tables and pictures."""
        for file in files:
            self.client.log_artifact(self.run_id, str(file))

    @contextmanager
    def ended_on_error(self) -> Iterator[None]:
        """End the runs as FAILED, or as KILLED by Ctrl-C, where the block does not end well.

        Raises:
            UnavailableError: MLflow failed while the search ran.
        """
        try:
            yield
        except MlflowException as error:
            raise UnavailableError(
                f"the MLflow store failed during the search ({error.message}): go on with --resume."
            ) from error
        except BaseException as error:
            self.end("FAILED" if isinstance(error, Exception) else "KILLED")
            raise

    def end(self, status: str) -> None:
        """End the search's run, and every trial's run that is still open.

        An open run belongs to a trial whose process is gone: killed, or failed beyond telling.
        """
        for run in _runs(self.client, f"tags.`{PARENT}` = '{self.run_id}'"):
            if run.info.status == "RUNNING":
                self.client.set_terminated(run.info.run_id, "KILLED")
        self.client.set_terminated(self.run_id, status)

    def end_trial(self, trial: str, status: str) -> None:
        """End a trial's run: FINISHED, KILLED (by the scheduler) or FAILED."""
        run_id = find_trial_run(self.client, self.run_id, trial)
        if run_id is not None:  # a trial may fail before it begins one
            self.client.set_terminated(run_id, status)

    def git_of(self, trial: str) -> dict[str, Any]:
        """The code that trained a trial, as `git_state` told it when the trial began."""
        run_id = find_trial_run(self.client, self.run_id, trial)
        tags = self.client.get_run(run_id).data.tags if run_id else {}
        commit = tags.get("mlflow.source.git.commit")
        return {"commit": commit, "dirty": tags.get("git.dirty") == "true"} if commit else {}

    def scores(self, trial: str) -> dict[int, float]:
        """A trial's score by epoch."""
        run_id = find_trial_run(self.client, self.run_id, trial)
        history = self.client.get_metric_history(run_id, "score") if run_id else []
        return {point.step: point.value for point in history}


def _runs(client: MlflowClient, where: str) -> list[Any]:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return list(client.search_runs([experiment.experiment_id], where, max_results=1000))
