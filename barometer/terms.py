"""Whether a model may learn from a post, by the terms of the place where it was written."""

from typing import Final

NOT_FOR_TRAINING: Final = frozenset(("reddit", "x", "twitter"))
"""Sources whose terms forbid training models on their content without a licence of its own:
Reddit's Data API Terms, and X's Developer Agreement (`twitter` is what older files call it)."""


def may_train(source: str) -> bool:
    """Whether the terms of the place that a post came from allow a model to learn from it."""
    return source.strip().casefold() not in NOT_FOR_TRAINING
