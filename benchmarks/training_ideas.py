"""Ideas for a better model, each measured alone on the validation rows; the test rows stay unread.

    python -m benchmarks.training_ideas --rows 5000 --out ideas.jsonl plain "frozen words" R-Drop

Needs BAROMETER_BASE_MODEL and BAROMETER_EMOTION_DATA as `barometer train` does. Only the emotion
rows are trained on, which takes a third of the time of both tasks; an idea that helps there is
then tried on both. Every run tells its best epoch in one line of the file; no checkpoint is kept.
"""

import argparse
import json
import time
from pathlib import Path

from transformers import AutoModel, AutoTokenizer

from barometer.console import print_table, progress
from barometer.settings import settings
from training.data import load_task
from training.finetune import Epoch, Finetuning
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
    "less dropout": FROZEN | {"dropout": 0.0},
    "longer": FROZEN | {"epochs": 12, "patience": 3},
    "imitate INT8": FROZEN | {"imitate_int8": True},
    "3 layers": FROZEN,
}


def main() -> None:
    """Run the ideas that are named and print a table of all that the file holds."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__)  # fmt: skip
    parser.add_argument("ideas", nargs="*", help=", ".join(IDEAS))
    parser.add_argument("--rows", type=int, help="only so many training rows")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("ideas.jsonl"))
    chosen = parser.parse_args()
    unknown = set(chosen.ideas) - set(IDEAS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(IDEAS)}")
    for idea in chosen.ideas:
        line = measure(idea, chosen.rows, chosen.epochs)
        with chosen.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
    if chosen.out.exists():
        show([json.loads(line) for line in chosen.out.read_text().splitlines()])


def measure(idea: str, rows: int | None, epochs: int) -> dict[str, object]:
    """Train with the idea; its best epoch on the validation rows."""
    config = settings()
    data = {"emotion": load_task("emotion", config.emotion_data, rows)}
    recipe = Recipe.model_validate({"epochs": epochs} | IDEAS[idea])
    base = config.base_model
    if idea == "3 layers":
        base = str(every_second_layer(base, config.state / "ideas" / "every-second-layer"))
    started = time.monotonic()
    run = Finetuning(base, data, recipe)
    ran: list[Epoch] = []
    with progress(idea) as (bar, task):
        while len(ran) < recipe.epochs:
            ran.append(
                run.run_epoch(lambda done, steps, _: bar.update(task, completed=done, total=steps))
            )
            best = max(ran, key=lambda epoch: epoch.score)
            if recipe.patience and ran[-1].number - best.number >= recipe.patience:
                break
    return {
        "idea": idea,
        "rows": len(data["emotion"].train),
        "best_epoch": best.number,
        "epochs": len(ran),
        **best.metrics,
        "seconds": round(time.monotonic() - started),
        "recipe": recipe.model_dump(),
    }


def every_second_layer(base_model: str, folder: Path) -> Path:
    """Half of a DistilBERT: every second layer, as DistilBERT itself was cut from BERT."""
    model = AutoModel.from_pretrained(base_model)
    layers = model.transformer.layer
    model.transformer.layer = layers[::2]
    model.config.n_layers = len(model.transformer.layer)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base_model).save_pretrained(folder)
    return folder


def show(lines: list[dict[str, object]]) -> None:
    """All that was measured, as one table."""
    columns = (
        "idea", "rows", "best_epoch", "epochs", "emotion_accuracy", "emotion_macro_f1", "seconds",
    )  # fmt: skip
    print_table("Emotion, validation rows", columns, [tuple(x[c] for c in columns) for x in lines])


if __name__ == "__main__":
    main()
