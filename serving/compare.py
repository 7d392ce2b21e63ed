"""`/events/compare`: groups of posts side by side, and which differences are beyond chance."""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from scipy.special import stdtrit

from barometer.comparison import Group
from barometer.labels import TASKS
from inference.contrasts import against_the_others, holm
from inference.prevalence import prevalence
from serving.models import Models
from serving.shares import Shares, counted, shares

FEW_EXPECTED: Final = 5
"""Posts with a label, and without it, that a line and its others must be expected to have, were
they alike, or the label is not tested there: with fewer the normal distribution is no guide
(Cochran 1954)."""
LEVEL: Final = 0.05
TEST: Final = (
    "each line against all other lines together: score test on the corrected shares, p-values "
    "after Holm 1979 over all tests of this answer"
)


def comparison(models: Models, groups: Sequence[Group]) -> dict[str, Any]:
    """Lines of the groups in their order, and the differences, the surest first."""
    emotion, sentiment = (
        shares(
            models,
            task,
            [{v: counted(task, each) for v, each in votes.items()} for votes in by_group],
        )
        for task, by_group in (
            ("emotion", [group.emotions for group in groups]),
            ("sentiment", [group.sentiments for group in groups]),
        )
    )
    return {
        "lines": [
            {
                "event": group.event,
                "group": group.name,
                "posts": group.posts,
                "other_languages": dict(group.other_languages.most_common()),
                "shares": {"emotion": emotion.lines(i), "sentiment": sentiment.lines(i)},
                "uncertainty": {
                    "emotion": emotion.uncertainty(i, _mean(group.emotion_confidence, emotion, i)),
                    "sentiment": sentiment.uncertainty(
                        i, _mean(group.sentiment_confidence, sentiment, i)
                    ),
                },
                "sentiment_score": mean_score(group),
            }
            for i, group in enumerate(groups)
        ],
        "differences": _differences(groups, (emotion, sentiment)),
        "test": TEST,
    }


def mean_score(group: Group) -> dict[str, Any] | None:
    """Mean sentiment score with Student's 95 % interval; no bounds for one post, None for none."""
    n = group.scored
    if not n:
        return None
    mean = group.score_sum / n
    low = high = None
    if n > 1:
        variance = max(0.0, group.score_squares - n * mean * mean) / (n - 1)
        reach = float(stdtrit(n - 1, 0.975)) * math.sqrt(variance / n)
        low, high = round(max(-1.0, mean - reach), 4), round(min(1.0, mean + reach), 4)
    return {"mean": round(mean, 4), "low": low, "high": high, "posts": n}


def _mean(total: float, found: Shares, group: int) -> float | None:
    posts = int(found.counts[group].sum())
    return total / posts if posts else None


def _differences(groups: Sequence[Group], tasks: Sequence[Shares]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for found in tasks:
        posts = found.counts.sum(axis=1)
        tested = [i for i in range(len(groups)) if posts[i]]
        if len(tested) < 2:
            continue
        expected = posts[:, None] * found.counts.sum(axis=0) / posts.sum()
        cells = np.stack([expected, posts[:, None] - expected])  # with the label, and without
        enough = np.minimum(cells, cells.sum(axis=1, keepdims=True) - cells).min(axis=0)
        # Counts as they are tell as well whether groups differ, only not by how much.
        whole = found.corrected or prevalence([(None, found.counts)])
        differences, p_values = against_the_others(whole.only(tested), posts[tested])
        # Of two groups the second says the same as the first.
        for place, i in enumerate(tested[:1] if len(tested) == 2 else tested):
            lines += [
                {
                    "event": groups[i].event,
                    "group": groups[i].name,
                    "task": found.task,
                    "label": label,
                    "points": round(100 * float(differences[place, j]), 2),
                    "p_value": float(p_values[place, j]),
                    "corrected": found.corrected is not None,
                }
                for j, label in enumerate(TASKS[found.task])
                if enough[i, j] >= FEW_EXPECTED
            ]
    adjusted = holm([line["p_value"] for line in lines])
    for line, p_value in zip(lines, adjusted, strict=True):
        line["p_value"] = round(float(p_value), 4)
        line["beyond_chance"] = bool(p_value < LEVEL)
    return sorted(lines, key=lambda line: (line["p_value"], -abs(line["points"])))
