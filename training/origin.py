"""Where a model comes from: its base encoder, its rows, its teachers."""

from dataclasses import dataclass
from pathlib import Path

from training.data import TaskData, load_task


@dataclass(frozen=True)
class Origin:
    """Where the base encoder and the rows come from: hub names or local folders."""

    base_model: str
    emotion_data: str
    sentiment_data: str
    rows: int | None = None
    """Use only the first `rows` training rows a task; None: all."""
    teachers: tuple[Path, ...] = ()
    """Model folders whose answers a recipe with `distillation` learns from."""

    def load(self) -> dict[str, TaskData]:
        """Both tasks' rows."""
        return {
            "emotion": load_task("emotion", self.emotion_data, self.rows),
            "sentiment": load_task("sentiment", self.sentiment_data, self.rows),
        }
