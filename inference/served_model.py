"""The model as MLflow loads it anywhere: `mlflow.pyfunc.load_model("models:/barometer@champion")`.

MLflow runs this file (a model from code, so nothing is pickled) where Barometer is installed.
"""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from barometer.labels import TASKS
from inference.classifier import Classifier
from inference.model_folder import open_model_folder


class ServedModel(PythonModel):  # type: ignore[misc]  # MLflow is not typed
    """Texts in, one row of answers a text out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model folder that lies among the artifacts."""
        self._classifier = Classifier(open_model_folder(Path(context.artifacts["folder"])), 1)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Classify the column `text`: both labels, their confidence, and every probability.

        Columns of a task that the model lacks are there too, empty.
        """
        texts = [str(text) for text in model_input["text"]]
        scores = self._classifier.score(texts)
        answer: dict[str, object] = {}
        for task, names in TASKS.items():
            given = scores.of(task)
            found = (
                np.full((len(texts), len(names)), np.nan, np.float32) if given is None else given
            )
            labels: list[str | None] = [None] * len(texts)
            if given is not None:
                labels = [names[best] for best in given.argmax(axis=1)]
            answer[task] = pd.Series(labels, dtype=object)
            answer[f"{task}_confidence"] = found.max(axis=1)
            answer |= {f"p_{name}": found[:, i] for i, name in enumerate(names)}
        return pd.DataFrame(answer)


mlflow.models.set_model(ServedModel())
