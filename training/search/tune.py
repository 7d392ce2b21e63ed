"""`barometer tune`: search the recipe, package the best trial's best epoch, register it."""

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barometer.errors import InputError
from barometer.settings import Settings
from barometer.tracking import mlflow_client, tracking_uri
from training.data import Rows, TaskData
from training.encoder import load_pretrained
from training.origin import Origin
from training.package import package
from training.parity import Variant
from training.register import register
from training.run_files import log_data, log_export, log_study
from training.runs import RUN
from training.search.claim import claimed, newest_unfinished
from training.search.plan import Plan, Request
from training.search.ray_session import ray_session
from training.search.runs import SearchRuns, find_trial_run
from training.target import check_target

if TYPE_CHECKING:  # it imports Ray, whose environment must stand first
    from training.search.outcome import Outcome

SEARCHES = "searches"
"""Folder in the state folder; it holds unfinished searches only."""


def tune(
    settings: Settings,
    request: Request | None,
    target: Path,
    advance: Callable[[int, int, float | None], None],
    say: Callable[[str], None],
    on_export: Callable[[list[Variant]], None],
    *,
    registers: bool = True,
) -> dict[str, Any]:
    """Search, write the best model as the folder `target`, and register it as challenger.

    The search's own folder goes once all of this is done; until then it can be resumed.

    Args:
        settings: Where base model, rows, state, MLflow and Ray are.
        request: A new search; None: go on with the newest unfinished one.
        target: Model folder to write.
        advance: Called with the epochs done, the epochs at most, and the best score.
        say: Takes one line for each trial that ended.
        on_export: Takes the export's comparison before it is judged.
        registers: Whether to register the model.

    Returns:
        `metrics`, `version` (None if not registered) and `trials`, the best first.

    Raises:
        InputError: `target` is something else than a model folder, or the rows of a resumed
            search have changed.
        NotFoundError: there is nothing to resume.
        ConflictError: the search to resume is running.
        UnavailableError: registry, base model, rows or Ray cannot be reached.
        ModelError: the base model is unusable, or every trial failed.
    """
    started = time.monotonic()
    check_target(target)
    client = mlflow_client(settings)
    with ExitStack() as held:  # the folder's lock, for the life of the search
        searches = settings.state / SEARCHES
        plan: Plan | None = None
        if request is None:
            folder = held.enter_context(newest_unfinished(searches))
            plan = Plan.read(folder)
        else:
            folder = searches / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
        origin = plan.origin if plan else _origin(settings, request)
        load_pretrained(origin.base_model)  # what is wrong with it is said now, not by each trial
        data = origin.load()
        digests = {task: rows.digest() for task, rows in data.items()}
        if plan is not None and plan.digests != digests:
            raise InputError("resume: the rows have changed since this search began.", "resume")
        with ray_session(settings.ray_address):
            # The session sets Ray's environment first.
            from training.search import ray_search, result  # noqa: PLC0415
            from training.search.progress import Listener  # noqa: PLC0415

            if request is not None:
                plan = ray_search.begin(client, request, origin, digests, target.name)
                folder.mkdir(parents=True)
                held.enter_context(claimed(folder))
                plan.write(folder)
            assert plan is not None  # noqa: S101 - read from the folder, or begun here
            runs = SearchRuns(client, plan.run_id)
            with runs.ended_on_error():
                runs.resume()
                log_data(client, plan.run_id, origin, data)
                listener = Listener(advance, say, runs, plan.trials, plan.epochs)
                outcomes = ray_search.run_search(
                    plan, _for_trials(data), tracking_uri(settings), folder, listener
                )
        searched, seconds = plan, round(time.monotonic() - started)

        def export(outcome: "Outcome") -> dict[str, Any]:
            checkpoint = settings.state / "checkpoints" / target.name
            git = runs.git_of(outcome.trial_id)
            result.keep_checkpoint(outcome, searched, data, checkpoint, seconds, git)
            run_id = find_trial_run(client, searched.run_id, outcome.trial_id) or searched.run_id

            def compared(variants: list[Variant]) -> None:
                log_export(client, run_id, variants)
                on_export(variants)

            return package(checkpoint, data, target, compared, run_id=run_id)

        with runs.ended_on_error():
            best, metrics = result.first_exportable(outcomes, export, say)
            log_study(settings, metrics[RUN], target, data)
            version = register(settings, target) if registers else None
            result.log_result(runs, outcomes, best, version)
            runs.end("FINISHED")
        shutil.rmtree(folder)
    return {"metrics": metrics, "version": version, "trials": result.trial_rows(outcomes)}


def _origin(settings: Settings, request: Request | None) -> Origin:
    rows = request.rows if request else None
    return Origin(settings.base_model, settings.emotion_data, settings.sentiment_data, rows)


def _for_trials(data: dict[str, TaskData]) -> dict[str, TaskData]:
    """The rows without those that no choice may rest on."""
    none = Rows([], [])
    return {task: replace(rows, test=none, release=none) for task, rows in data.items()}
