"""What stands where no model could be loaded, so that the service starts all the same."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from barometer.errors import ModelError
from inference.classifier import Classifier
from inference.model_folder import ModelFolder
from inference.registry import LoadedModel


class AbsentClassifier(Classifier):
    """A classifier without a graph: every question fails with the reason why."""

    def __init__(self, reason: str) -> None:
        self.folder = ModelFolder(Path(), "none", 0, {}, ())
        self.mark = "none"
        self._reason = reason

    def _run(self, outputs: list[str], inputs: Sequence[str]) -> NoReturn:  # noqa: ARG002
        raise ModelError(self._reason)


def absent_model(reason: str) -> LoadedModel:
    """The model of version `none`."""
    return LoadedModel("none", AbsentClassifier(reason))
