"""What a run in MLflow keeps as files, and the rows it learns from."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from barometer.settings import Settings
from barometer.tracking import mlflow_client
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from training.data import TaskData
from training.data_report import write_data_report
from training.origin import Origin
from training.parity import Variant, parity_table
from training.runs import log_files, rows_input
from training.study.study import evaluation_report, write_report


def log_data(
    client: MlflowClient, run_id: str, origin: Origin, data: dict[str, TaskData]
) -> dict[str, Any]:
    """Log the data report and the rows' fingerprints, before the first step.

    A run that fails later must tell them too: the rows may be why.

    Returns:
        The data report.
    """
    names = {"emotion": origin.emotion_data, "sentiment": origin.sentiment_data}
    inputs = [
        rows_input(
            task, Path(names[task]).name, rows.digest(), len(rows.train), rows.release_digest()
        )
        for task, rows in data.items()
    ]
    client.log_inputs(run_id, datasets=inputs)
    with tempfile.TemporaryDirectory() as scratch:
        report = write_data_report(data, Path(scratch))
        log_files(client, run_id, Path(scratch), "data")
    return report


def log_export(client: MlflowClient, run_id: str, variants: list[Variant]) -> None:
    """Log PyTorch, FP32 and INT8 side by side as a table and as JSON."""
    columns, rows = parity_table(variants)
    ruler = ("---", *("---:" for _ in columns[1:]))
    lines = ["| " + " | ".join(map(str, cells)) + " |" for cells in (columns, ruler, *rows)]
    client.log_text(run_id, "\n".join(lines) + "\n", "export/export.md")
    content = json.dumps([asdict(one) for one in variants], indent=2)
    client.log_text(run_id, content + "\n", "export/export.json")


def log_study(settings: Settings, run_id: str, target: Path, data: dict[str, TaskData]) -> None:
    """Log the study of a new model folder on the validation rows, plots included, to its run."""
    classifier = Classifier(open_model_folder(target), settings.session_threads)
    with tempfile.TemporaryDirectory() as scratch:
        write_report(evaluation_report(classifier, data, "validation"), Path(scratch))
        log_files(mlflow_client(settings), run_id, Path(scratch), "evaluation")
