"""A filled registry, made once."""

from pathlib import Path

import pytest

from barometer.settings import Settings
from tests.serving.registered import copy_of, fill_registry


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return fill_registry(tmp_path_factory.mktemp("registry") / "state")


@pytest.fixture
def registry(filled: Settings, tmp_path: Path) -> Settings:
    """Versions 1 (champion) to 5, as `tests.serving.registered` tells; free to be changed."""
    return copy_of(filled, tmp_path / "state")
