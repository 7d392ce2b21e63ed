"""Rows that a small model can learn, and a small encoder to learn them: shared by this room."""

from pathlib import Path

import pytest

from tests.training.tiny_models import write_encoder
from tests.training.tiny_rows import write_rows


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
