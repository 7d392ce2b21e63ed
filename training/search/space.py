"""The space that `tune` searches: distributions around the recipe's own defaults."""

from collections.abc import Mapping
from typing import Any

from ray import tune
from ray.tune.search.sample import Categorical, Domain, Float, Integer

from training.recipe import Recipe

MUTABLE = (
    "learning_rate", "weight_decay", "class_weight_power", "label_smoothing", "emotion_share",
)  # fmt: skip
"""What may change in the middle of a run; batch size and epochs fix the count of its steps."""


def search_space(epochs: int, *, fixed_epochs: bool, rdrop: bool) -> dict[str, Any]:
    """A Ray distribution for each searched field of `Recipe`.

    Args:
        epochs: Most epochs of a trial.
        fixed_epochs: Every trial has the most; population based training compares like with like.
        rdrop: Search R-Drop's factor too; a step with it takes twice the time.
    """
    space: dict[str, Any] = {
        "learning_rate": tune.loguniform(5e-5, 8e-4),
        "batch_size": tune.choice([16, 32, 64]),
        "weight_decay": tune.loguniform(1e-3, 1e-1),
        "epochs": epochs if fixed_epochs else tune.randint((epochs + 1) // 2, epochs + 1),
        "warmup": tune.uniform(0.0, 0.12),
        "class_weight_power": tune.uniform(0.0, 1.0),
        "label_smoothing": tune.uniform(0.0, 0.1),
        "emotion_share": tune.uniform(0.3, 0.7),
        "dropout": tune.uniform(0.05, 0.15),
    }
    if rdrop:
        space["rdrop"] = tune.choice([0.0, 0.5, 1.0])
    return space


def first_point(space: Mapping[str, Any], epochs: int) -> dict[str, Any]:
    """The recipe's own defaults as a point of `space`: a search does no worse than they do."""
    searched = {name for name, value in space.items() if isinstance(value, Domain)}
    defaults = Recipe(epochs=epochs).model_dump()
    return {name: defaults[name] for name in space if name in searched}


def mutations(space: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `space` that population based training may change between epochs."""
    return {name: space[name] for name in MUTABLE}


def within(space: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """`config`, with numbers outside their distribution in `space` moved to its edge."""
    bounds = {name: d for name, d in space.items() if isinstance(d, Float | Integer)}
    return {
        name: min(max(value, bounds[name].lower), bounds[name].upper) if name in bounds else value
        for name, value in config.items()
    }


def recipe_of(config: Mapping[str, Any], seed: int) -> Recipe:
    """The recipe that a trial's configuration stands for."""
    searched = {name: config[name] for name in Recipe.model_fields if name in config}
    return Recipe(**searched, seed=seed)


def described(space: Mapping[str, Any]) -> dict[str, str]:
    """`space` in words, for MLflow."""
    return {f"space.{name}": _described(value) for name, value in space.items()}


def _described(value: Any) -> str:
    if isinstance(value, Categorical):
        return f"one of {value.categories}"
    if isinstance(value, Float | Integer):
        kind = type(value.get_sampler()).__name__.lstrip("_")  # type: ignore[no-untyped-call]
        return f"{kind} [{value.lower}, {value.upper})"
    return str(value)
