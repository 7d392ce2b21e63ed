"""`barometer release`: the challenger through the gate, and on to traffic if it passes."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from mlflow import MlflowClient

from barometer.errors import ConflictError, UnavailableError
from barometer.labels import task_slice
from barometer.settings import Settings
from barometer.tracking import CHALLENGER, CHAMPION, mlflow_client, store_faults
from inference.classifier import Classifier
from inference.promotion import promote
from inference.registry import model_version, registered_folder, version_of
from inference.stages import ROLLED_BACK_TAG, put_on_trial
from training.gate.bounds import Bounds
from training.gate.decision import (
    Answers,
    Decision,
    Ints,
    Line,
    compare_answers,
    compare_behaviour,
    compare_latency,
    tasks_lacking,
)
from training.gate.latency import ROUNDS, interleaved_ms
from training.gate.report import write_report
from training.gate.rows import RowSet, held_out
from training.study.behaviour import run_behaviour

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and what comes next."""


@dataclass(frozen=True)
class Candidate:
    """A registered version, loaded with one thread."""

    version: str
    run_id: str
    classifier: Classifier


def release(
    settings: Settings,
    *,
    version: str | None = None,
    to: Literal["shadow", "canary", "production"] = "production",
    labels: Path | None = None,
    bounds: Bounds | None = None,
    dry_run: bool = False,
    progress: Progress = lambda *_: None,
) -> Decision:
    """Judge a version (default: the challenger); log the report; if it passes, give it traffic.

    The report goes to the version's run as `gate/`, the outcome to its tags `gate` and
    `gate_against`. Aliases move last, and only on a pass. With `dry_run` nothing is written.

    Args:
        settings: the registry, and the rows to judge by.
        version: what to judge instead of the alias `challenger`.
        to: the stage that it enters if it passes; production makes it the champion.
        labels: held-out live labels, a jsonl file.
        bounds: the margins; default: those of `Bounds`.
        dry_run: judge only.
        progress: told of each step.

    Raises:
        NotFoundError: there is no champion or challenger.
        ConflictError: the challenger is the champion, or was rolled back as canary and is to skip
            that stage, or the champion changed meanwhile.
        ModelError: a version's files are not what was registered.
        DataError: rows cannot be used.
        UnavailableError: the registry does not answer.
    """
    bounds = bounds or Bounds()
    client = mlflow_client(settings)
    current = version_of(client, settings.model_name, CHAMPION)
    wanted = version or version_of(client, settings.model_name, CHALLENGER)
    if wanted == current:
        raise ConflictError(
            f"version {wanted} is the champion already: name another, or register a challenger."
        )
    rolled_back = model_version(client, settings.model_name, wanted).tags.get(ROLLED_BACK_TAG)
    if rolled_back and to == "production":
        raise ConflictError(
            f"version {wanted} was rolled back as canary ({rolled_back}): "
            "`barometer release --canary` tries it again, or register a better model."
        )
    progress(0, 0, "models")
    champion = _load(settings, client, current)
    challenger = _load(settings, client, wanted)
    lines = _judge(settings, champion, challenger, labels, bounds, progress)
    decision = Decision(current, wanted, tuple(lines), bounds, dry_run, to)
    if not dry_run:
        _log(settings, client, challenger, decision)
        if not decision.passed:
            return decision
        if to == "production":
            promote(settings, wanted, over=current)
        else:
            put_on_trial(settings, wanted, to)
    return decision


def _load(settings: Settings, client: MlflowClient, version: str) -> Candidate:
    found = model_version(client, settings.model_name, version)
    folder = registered_folder(settings, found)
    return Candidate(version, found.run_id, Classifier(folder, threads=1))


def _judge(
    settings: Settings,
    champion: Candidate,
    challenger: Candidate,
    labels: Path | None,
    bounds: Bounds,
    progress: Progress,
) -> list[Line]:
    models = (champion.classifier, challenger.classifier)
    tasks = models[0].folder.tasks
    lacking = tasks_lacking(tasks, models[1].folder.tasks)
    if lacking:
        return lacking
    where = {"emotion": settings.emotion_data, "sentiment": settings.sentiment_data}
    progress(0, 0, "rows")
    found = held_out(where, models[0].folder, models[1].folder, labels)
    sets = [rows for rows in found if rows.task in tasks]
    steps = len(sets) + 2 + ROUNDS
    answers = []
    for done, rows in enumerate(sets):
        progress(done, steps, f"{rows.task}, {rows.name}")
        answers.append(_answers(rows, models))
    progress(len(sets), steps, "behaviour")
    old = run_behaviour(models[0])
    progress(len(sets) + 1, steps, "behaviour")
    known = {test.name for test in old}
    new = [test for test in run_behaviour(models[1]) if test.name in known]
    behaviour = compare_behaviour(old, new, bounds)
    times = interleaved_ms(
        *models, sets[0].rows.texts,
        lambda done, _: progress(len(sets) + 2 + done, steps, "latency"),
    )  # fmt: skip
    marks = [model.folder.digest()[:12] for model in models]
    detail = f"{marks[0]} and {marks[1]}"
    files = Line("files", "SHA-256 as registered", passed=True, detail=detail)
    compared = compare_answers(answers, bounds)
    return [*compared, *behaviour, compare_latency(*times, bounds), files]


def _answers(rows: RowSet, models: tuple[Classifier, Classifier]) -> Answers:
    def guess(model: Classifier) -> Ints:
        found: Ints = model.logits(rows.rows.texts)[0][:, task_slice(rows.task)].argmax(axis=1)
        return found

    truth = np.array(rows.rows.labels)
    guesses = guess(models[0]), guess(models[1])
    return Answers(rows.task, rows.name, truth, *guesses, rows.note, rows.candidates)


def _log(
    settings: Settings, client: MlflowClient, challenger: Candidate, decision: Decision
) -> None:
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_report(decision, Path(folder))
            client.log_artifacts(challenger.run_id, folder, "gate")
        tags = {"gate": "pass" if decision.passed else "fail", "gate_against": decision.champion}
        for key, value in tags.items():
            client.set_model_version_tag(settings.model_name, decision.challenger, key, value)
    except store_faults() as error:
        raise UnavailableError(
            f"the gate's report cannot be logged, so nothing was released ({error})."
        ) from error
