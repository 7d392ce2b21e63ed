"""Rows that a small model can learn, and a small encoder to learn them: shared by this room."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from barometer.settings import Settings
from tests.training.tiny_models import write_encoder
from tests.training.tiny_rows import write_rows
from training.experiment import Audience, run_experiment
from training.finetune import Epoch
from training.origin import Origin
from training.recipe import Recipe


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    write_rows(folder)
    return folder


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    write_encoder(folder)
    return folder


class Trained(NamedTuple):
    """What one training left behind, and what it told on its way."""

    settings: Settings
    folder: Path
    epochs: list[Epoch]
    steps: list[int]
    rows_told: Any
    variants: Any

    @property
    def checkpoint(self) -> Path:
        return self.settings.state / "checkpoints" / "tiny"


@pytest.fixture(scope="session")
def trained(rows: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    epochs: list[Epoch] = []
    steps: list[int] = []
    recipe = Recipe(epochs=6, learning_rate=3e-3, batch_size=16, max_tokens=32, warmup=0)
    settings = Settings(state_dir=folder / "state")
    told: list[object] = []
    audience = Audience(
        told.append, lambda done, *_: steps.append(done), epochs.append, told.append
    )
    origin = Origin(str(base), str(rows / "emotion"), str(rows / "sentiment"))
    run_experiment(settings, origin, recipe, folder / "tiny", audience, final=True)
    return Trained(settings, folder / "tiny", epochs, steps, *told)
