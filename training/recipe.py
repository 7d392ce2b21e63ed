"""The hyperparameters of one fine-tuning run."""

import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from barometer.errors import InputError


class Recipe(BaseModel):
    """What `tune` searches over and `train` takes; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    epochs: int = Field(5, ge=1)
    """Most passes over the rows; the learning rate falls to zero over them."""
    patience: int = Field(0, ge=0)
    """Stop after so many epochs without a better one; 0: never before the last."""
    learning_rate: float = Field(2e-4, gt=0)
    """Peak of the linear warm-up and decay."""
    batch_size: int = Field(32, ge=1)
    weight_decay: float = Field(0.01, ge=0)
    warmup: float = Field(0.06, ge=0, lt=1)
    """Share of the steps."""
    class_weight_power: float = Field(0.5, ge=0, le=1)
    """0 weighs all classes alike, 1 balances them fully."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    emotion_share: float = Field(0.5, gt=0, le=1)
    """Loss factor of the emotion rows; the sentiment rows have the rest."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Of hidden states and attention while training."""
    rdrop: float = Field(0.0, ge=0)
    """Factor of R-Drop's consistency term; 0: off, and half the time."""
    adversarial: float = Field(0.0, ge=0)
    """Length of FGM's step on the word embeddings; 0: off, and half the time."""
    distillation: float = Field(0.0, ge=0, le=1)
    """Share of the loss that asks for the teachers' answers rather than the labels."""
    freeze_words: bool = False
    """Keep the word embeddings as pretrained; a fifth less time a step on a CPU."""
    imitate_int8: bool = False
    """Round in training as the exported INT8 graph does; a third more time a step."""
    max_tokens: int = Field(128, ge=8, le=512)
    """Longest input; the rest is cut."""
    seed: int = 7
    """Of the new head, the order of the rows and dropout."""

    @model_validator(mode="after")
    def _words_can_move(self) -> Self:
        if self.freeze_words and self.adversarial:
            raise ValueError("adversarial moves the word embeddings: it excludes freeze_words")
        return self


def read_recipe(path: Path | None, changes: dict[str, Any]) -> Recipe:
    """The recipe in a JSON file (or the default one), with some values changed.

    Raises:
        InputError: the file is no such JSON, or a value is out of bounds; names it.
    """
    try:
        content = {} if path is None else json.loads(path.read_text())
        return Recipe.model_validate({**content, **changes})
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "recipe"
            raise InputError(f"{field}: {first['msg'].lower()}.", field) from error
        raise InputError(f"recipe: {path} is no JSON file of hyperparameters.", "recipe") from error
