"""The label sets, in the order of the model's nine logits: six emotions, then three sentiments."""

from typing import Final

EMOTIONS: Final = ("sadness", "joy", "love", "anger", "fear", "surprise")
"""Order of the public `emotion` dataset (Saravia et al. 2018): label 0 is sadness."""

SENTIMENTS: Final = ("negative", "neutral", "positive")
"""Label 0 is negative, 2 is positive."""

TASKS: Final[dict[str, tuple[str, ...]]] = {"emotion": EMOTIONS, "sentiment": SENTIMENTS}
LABELS: Final = EMOTIONS + SENTIMENTS


def task_slice(task: str) -> slice:
    """The columns of the nine logits that belong to `task` (`emotion` or `sentiment`)."""
    return slice(0, len(EMOTIONS)) if task == "emotion" else slice(len(EMOTIONS), len(LABELS))
