"""What a training leaves in MLflow: its run, and the version that it becomes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from barometer.errors import UnavailableError
from barometer.settings import REPOSITORY
from barometer.tracking import mlflow_client
from inference.registry import versions
from tests.training.conftest import Trained
from training.recipe import Recipe
from training.register import register


def test_run_tells_rows_epochs_recipe_and_commit(trained: Trained, tmp_path: Path) -> None:
    client = mlflow_client(trained.settings)
    (run,) = client.search_runs(["1"])
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "emotion_macro_f1")
    assert [point.step for point in history] == [1, 2, 3, 4, 5, 6]
    assert run.data.params["learning_rate"] == "0.003"
    assert len(run.data.tags["mlflow.source.git.commit"]) == 40
    files = {item.path for item in client.list_artifacts(run.info.run_id, "data")}
    assert files == {"data/data.json", "data/data.md", "data/data.png"}
    table = client.download_artifacts(run.info.run_id, "export/export.md", str(tmp_path))
    first, _, *lines = Path(table).read_text().splitlines()
    assert first == "| validation rows | PyTorch FP32 | ONNX FP32 | ONNX INT8 |"
    assert f"| ms a text, one thread | - | {trained.variants[1].ms:.2f} |" in "\n".join(lines)
    assert client.list_artifacts(run.info.run_id, "export")[0].path == "export/export.json"
    studied = {item.path for item in client.list_artifacts(run.info.run_id, "evaluation")}
    assert {"evaluation/evaluation.json", "evaluation/emotion-confusion.png"} <= studied
    assert trained.rows_told["emotion"]["splits"]["release"]["rows"] == 36
    digests = {item.dataset.digest for item in run.inputs.dataset_inputs}
    assert trained.rows_told["emotion"]["sha256"][:36] in digests


def test_version_belongs_to_its_run_and_loads_in_any_mlflow(trained: Trained) -> None:
    settings = trained.settings
    version = register(settings, trained.folder)
    client = mlflow_client(settings)
    found = client.get_model_version(settings.model_name, version)
    (run,) = client.search_runs(["1"])
    assert found.run_id == run.info.run_id
    assert found.description.startswith("# tiny")
    assert found.tags["git_commit"] == run.data.tags["mlflow.source.git.commit"]
    uri = f"models:/{settings.model_name}/{version}"
    info = mlflow.models.get_model_info(uri)
    assert info.signature.inputs.input_names() == ["text"]
    assert info.saved_input_example_info is not None
    answer = mlflow.pyfunc.load_model(uri).predict(pd.DataFrame({"text": ["i feel rage today"]}))
    assert answer.loc[0, "emotion"] == "anger"
    assert answer.loc[0, "emotion_confidence"] == answer.loc[0, "p_anger"]


def test_registering_leaves_the_training_run_and_its_commit_as_they_were(
    trained: Trained, tmp_path: Path
) -> None:
    settings, older = trained.settings, "a" * 40
    folder = tmp_path / "older"
    shutil.copytree(trained.folder, folder)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert len(metrics["git"]["commit"]) == 40
    metrics["git"] = {"commit": older, "dirty": True}  # as if trained before the newest commits
    (folder / "metrics.json").write_text(json.dumps(metrics))
    client = mlflow_client(settings)
    run_id = metrics["mlflow_run"]
    newest = client.get_run(run_id).data.tags["mlflow.source.git.commit"]
    client.set_tag(run_id, "mlflow.source.git.commit", older)
    client.set_terminated(run_id, "KILLED", 1000)
    try:
        version = register(settings, folder)
        run = client.get_run(run_id)
        assert run.data.tags["mlflow.source.git.commit"] == older
        assert (run.info.status, run.info.end_time) == ("KILLED", 1000)
        tags = client.get_model_version(settings.model_name, version).tags
        assert (tags["git_commit"], tags["git_dirty"]) == (older, "true")
    finally:
        client.set_tag(run_id, "mlflow.source.git.commit", newest)
        client.set_terminated(run_id, "FINISHED")


def test_registration_that_fails_leaves_a_finished_training_finished(trained: Trained) -> None:
    settings = trained.settings
    client = mlflow_client(settings)
    run_id = json.loads((trained.folder / "metrics.json").read_text())["mlflow_run"]
    before = client.get_run(run_id).info
    known = len(versions(settings))
    models = settings.state / "mlflow-artifacts" / "models"
    aside = models.with_name("aside")
    if models.exists():
        models.rename(aside)
    models.write_text("no folder: nothing can be kept here")
    try:
        with pytest.raises(UnavailableError):
            register(settings, trained.folder)
    finally:
        models.unlink()
        if aside.exists():
            aside.rename(models)
    after = client.get_run(run_id).info
    assert before.status == "FINISHED"
    assert (after.status, after.end_time) == (before.status, before.end_time)
    assert len(versions(settings)) == known


def test_train_tells_machines_the_version_with_the_figures(
    base: Path, rows: Path, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=6, learning_rate=3e-3, batch_size=16, max_tokens=32, warmup=0)
    (tmp_path / "recipe.json").write_text(recipe.model_dump_json())
    given = {
        "STATE_DIR": tmp_path / "state", "BASE_MODEL": base,
        "EMOTION_DATA": rows / "emotion", "SENTIMENT_DATA": rows / "sentiment",
    }  # fmt: skip
    command = ("train", tmp_path / "tiny", "--recipe", tmp_path / "recipe.json", "--json")
    result = subprocess.run(
        [sys.executable, "-m", "barometer", *map(str, command)],
        env={**os.environ, **{f"BAROMETER_{name}": str(value) for name, value in given.items()}},
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["version"] == "1"
    assert told["validation"]["emotion"]["accuracy"] > 0.95
