"""Shares of labels as the API tells them: counted, corrected, and how far they are uncertain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from barometer.errors import ModelError
from barometer.labels import TASKS
from inference.prevalence import Confusion, Prevalence, prevalence
from serving.models import Models

METHOD: Final = "adjusted counts (Forman 2008; Hopkins and King 2010)"
NOTE: Final = (
    "The intervals hold what is not known from few posts and of the model's confusions; they are "
    "right as far as posts of a label are confused as the model's validation rows were."
)

Counts = npt.NDArray[np.int64]
Votes = Mapping[str | None, Counts]
"""(labels,) posts by the label that they were given, for each model version that judged them; None
stands for what no model of ours judged."""


@dataclass(frozen=True)
class Shares:
    """The shares of one task's labels in some groups of posts."""

    task: str
    counts: Counts
    """(groups, labels) posts as classified."""
    corrected: Prevalence | None
    """Of the groups in their order; None where nothing can be corrected."""
    reason: str = ""
    """Why nothing is corrected."""
    versions: tuple[str, ...] = ()
    """Model versions whose confusion was used."""
    borrowed: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """(groups,) posts of versions that are not loaded: corrected by the champion's confusion."""
    unjudged: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """(groups,) posts that no model of ours judged, counted as they are."""

    def lines(self, group: int = 0) -> list[dict[str, Any]]:
        """A group's labels in their order; shares in per cent, null where there are none."""
        posts = int(self.counts[group].sum())
        found = self.corrected if posts else None
        return [
            {
                "label": label,
                "posts": int(self.counts[group, i]),
                "pct": _percent(self.counts[group, i] / posts) if posts else None,
                "corrected_pct": _percent(found.share[group, i]) if found else None,
                "low_pct": _percent(found.low[group, i]) if found else None,
                "high_pct": _percent(found.high[group, i]) if found else None,
            }
            for i, label in enumerate(TASKS[self.task])
        ]

    def uncertainty(self, group: int = 0, mean_confidence: float | None = None) -> dict[str, Any]:
        """What was corrected, by what, and which part is uncertain.

        `mean_confidence` is the calibrated probability of the posts' labels: what it lacks to 1 is
        the part of the posts that are expected to carry a wrong one.
        """
        posts = int(self.counts[group].sum())
        found = self.corrected if posts else None
        sampling = None if found is None else float(found.sampling[group])
        return {
            "method": METHOD if found else None,
            "note": NOTE if found else (self.reason or "no posts to correct"),
            "posts": posts,
            "model_versions": list(self.versions) if found else [],
            "borrowed_posts": int(self.borrowed[group]) if found else 0,
            "uncorrected_posts": int(self.unjudged[group]) if found else posts,
            "from_few_posts_pct": None if sampling is None else _percent(sampling),
            "from_the_classifier_pct": None if sampling is None else _percent(1 - sampling),
            "uncertain_pct": None if mean_confidence is None else _percent(1 - mean_confidence),
        }


def shares(models: Models, task: str, groups: Sequence[Votes]) -> Shares:
    """Count the labels of some groups of posts and correct the counts where that is possible.

    Each version's votes are corrected by its own confusion; by the champion's where the version is
    not loaded or records none.
    """
    labels = len(TASKS[task])
    zero = np.zeros(labels, np.int64)
    total = np.array([sum(group.values(), zero) for group in groups]).reshape(-1, labels)
    try:
        champion = _confusion(models, models.champion.version, task)
    except ModelError as error:
        return Shares(task, total, None, f"not corrected: {error}.")
    parts: list[tuple[Confusion | None, Counts]] = []
    used: list[str] = []
    borrowed, unjudged = np.zeros(len(groups), np.int64), np.zeros(len(groups), np.int64)
    for version in sorted({version for group in groups for version in group}, key=str):
        counts = np.array([group.get(version, zero) for group in groups])
        confusion: Confusion | None = None
        if version is None:
            unjudged += counts.sum(axis=1)
        else:
            confusion, name = _own_or(models, version, task, champion)
            used.append(name)
            if name != version:
                borrowed += counts.sum(axis=1)
        parts.append((confusion, counts))
    corrected = prevalence(parts) if total.any() else None
    return Shares(task, total, corrected, "", tuple(dict.fromkeys(used)), borrowed, unjudged)


def rollup_shares(models: Models, groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`shares` and `uncertainty` of both tasks for each group that rollups have counted.

    Rollups do not tell model versions: all posts are taken for the champion's.

    Args:
        models: whose champion corrects.
        groups: each with `emotions` and `sentiments` (posts by label) and `confidence`.
    """
    version = models.champion.version
    emotion, sentiment = (
        shares(models, task, [{version: counted(task, group[f"{task}s"])} for group in groups])
        for task in ("emotion", "sentiment")
    )
    return [
        {
            "shares": {"emotion": emotion.lines(i), "sentiment": sentiment.lines(i)},
            "uncertainty": {
                "emotion": emotion.uncertainty(i, group["confidence"]),
                "sentiment": sentiment.uncertainty(i),
            },
        }
        for i, group in enumerate(groups)
    ]


def counted(task: str, counts: Mapping[str, int]) -> Counts:
    """(labels,) counts of a task in the order of its labels."""
    return np.array([counts.get(label, 0) for label in TASKS[task]], np.int64)


def _own_or(models: Models, version: str, task: str, champion: Confusion) -> tuple[Confusion, str]:
    try:
        return _confusion(models, version, task), version
    except ModelError:
        return champion, models.champion.version


def _confusion(models: Models, version: str, task: str) -> Confusion:
    model = models.loaded(version)
    if model is None:
        raise ModelError(f"model version {version} is not loaded")
    counts = model.classifier.folder.confusion(task)
    if counts is None:
        raise ModelError(
            f"model version {version} records no confusion of its {task} answers: export it again"
        )
    return _solvable(orjson.dumps(counts), len(TASKS[task]))


@lru_cache(maxsize=16)
def _solvable(counts: bytes, labels: int) -> Confusion:
    """The same object for the same counts: it keeps its draws."""
    return Confusion(orjson.loads(counts), labels)


def _percent(share: Any) -> float:
    return round(100 * float(share), 2)
