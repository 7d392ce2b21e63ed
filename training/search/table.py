"""A search on the terminal: its trials, the best first."""

from typing import Any

from barometer.console import print_line, print_table

RECIPE_COLUMNS = {
    "learning_rate": "rate", "batch_size": "batch", "weight_decay": "decay", "warmup": "warm",
    "class_weight_power": "power", "label_smoothing": "smooth", "emotion_share": "share",
    "dropout": "drop", "rdrop": "rdrop",
}  # fmt: skip
"""Short, so that the table fits into 80 characters."""


def show_trials(trials: list[dict[str, Any]]) -> None:
    """Print the rows that `tune` returns: what each trial reached, its recipe, what failed."""
    columns = ("trial", "score", "best epoch", "epochs", "state")
    rows = [
        (t["trial"], t["score"], t["best_epoch"], f"{t['epochs']} of {t['config'].get('epochs')}",
         t["state"])
        for t in trials
    ]  # fmt: skip
    print_table("Trials, the best first (score on validation rows)", columns, rows)
    names = [name for name in RECIPE_COLUMNS if name in trials[0]["config"]]
    recipes = [(t["trial"], *(_brief(t["config"][name]) for name in names)) for t in trials]
    print_table("Their recipes", ("trial", *(RECIPE_COLUMNS[name] for name in names)), recipes)
    for trial in trials:
        if trial["error"]:
            print_line(f"trial {trial['trial']} failed: {trial['error']}")


def _brief(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.1e}" if 0 < value < 1e-3 else f"{value:.2g}"
