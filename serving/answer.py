"""What is said of one text, and what said it."""

from dataclasses import dataclass
from typing import Literal

from barometer.posts import Judgement

Origin = Literal["memory", "redis", "model", "llm", "vader"]


@dataclass(frozen=True)
class Answer:
    """What is said of one text."""

    judgement: Judgement
    truncated: bool
    """Whether the text was longer than the model reads."""
    origin: Origin

    @property
    def fallback(self) -> bool:
        """Whether something else than a model of ours answered."""
        return self.origin in ("llm", "vader")
