"""Ideas for a better model, each measured alone on the validation rows; the test rows stay unread.

    python -m benchmarks.training_ideas --out ideas.jsonl plain frozen rdrop

Needs BAROMETER_BASE_MODEL, BAROMETER_EMOTION_DATA and BAROMETER_SENTIMENT_DATA as `barometer train`
does. Only the emotion rows are trained on, which takes a third of the time of both tasks; an idea
that helps there is then tried on both. Every run keeps its best epoch and appends one line.
"""

import argparse
import json
import time
from pathlib import Path

from barometer.console import print_table, progress
from barometer.settings import settings
from training.data import load_task
from training.finetune import Epoch, finetune
from training.recipe import Recipe

LARGE = {"batch_size": 64, "learning_rate": 3e-4}
FROZEN = LARGE | {"freeze_words": True}
IDEAS: dict[str, dict[str, float | bool]] = {
    "plain": {"batch_size": 32, "learning_rate": 2e-4},
    "large batch": LARGE,
    "frozen words": FROZEN,
    "R-Drop": FROZEN | {"rdrop": 0.7},
    "FGM": LARGE | {"adversarial": 0.5},
    "smoothing": FROZEN | {"label_smoothing": 0.1},
    "unweighted": FROZEN | {"class_weight_power": 0.0},
    "longer": FROZEN | {"epochs": 10, "patience": 3},
    "less dropout": FROZEN | {"dropout": 0.0},
}


def main() -> None:
    """Run the ideas that are named and print a table of all that the file holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("ideas", nargs="*", choices=[*IDEAS, []], default=[])
    parser.add_argument("--out", type=Path, default=Path("ideas.jsonl"))
    chosen = parser.parse_args()
    config = settings()
    data = {"emotion": load_task("emotion", config.emotion_data)}
    for idea in chosen.ideas:
        recipe = Recipe.model_validate({"epochs": 5} | IDEAS[idea])
        started = time.monotonic()
        epochs: list[Epoch] = []
        with progress(idea) as (bar, task):
            best = finetune(
                config.base_model, data, recipe, config.state / "ideas" / idea.replace(" ", "-"),
                lambda done, steps, _: bar.update(task, completed=done, total=steps),
                epochs.append,
            )  # fmt: skip
        line = {
            "idea": idea,
            "best_epoch": best.number,
            "epochs": len(epochs),
            **best.metrics,
            "seconds": round(time.monotonic() - started),
            "recipe": recipe.model_dump(),
        }
        with chosen.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
    if chosen.out.exists():
        columns = (
            "idea",
            "best_epoch",
            "epochs",
            "emotion_accuracy",
            "emotion_macro_f1",
            "seconds",
        )
        lines = [json.loads(line) for line in chosen.out.read_text().splitlines()]
        print_table(
            "Emotion, validation rows", columns, [tuple(x[c] for c in columns) for x in lines]
        )


if __name__ == "__main__":
    main()
