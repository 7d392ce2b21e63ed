"""What became of a trial."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune import Checkpoint, Result

from training.search.progress import number


@dataclass(frozen=True)
class Outcome:
    """What became of one trial."""

    trial: int
    state: str
    """finished, stopped (by the scheduler) or failed."""
    epochs: int
    score: float | None
    """Of the best epoch."""
    best_epoch: int | None
    config: Mapping[str, Any]
    """As it was in the best epoch."""
    trial_id: str
    error: str | None = None
    checkpoint: Checkpoint | None = None


def outcome_of(result: Result) -> Outcome:
    """What Ray kept of a trial; its folder bears its id."""
    trial_id = Path(result.path).name
    last = result.metrics or {}
    kept = [(m["score"], m, c) for c, m in result.best_checkpoints or [] if "score" in m]
    score, metrics, checkpoint = max(kept, key=lambda k: k[0]) if kept else (None, {}, None)
    config = metrics.get("config", result.config or {})
    epochs = int(last.get("epoch", 0))
    whole = epochs >= (result.config or {}).get("epochs", 0)
    return Outcome(
        trial=number(trial_id),
        state="failed" if result.error else "finished" if whole else "stopped",
        epochs=epochs,
        score=score,
        best_epoch=metrics.get("epoch"),
        config=config,
        trial_id=trial_id,
        error=str(result.error).strip().splitlines()[-1] if result.error else None,
        checkpoint=checkpoint,
    )
