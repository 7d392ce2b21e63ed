"""Release and rollback in a real registry, with real graphs made better or worse on purpose."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from mlflow import artifacts
from moto.server import ThreadedMotoServer

from barometer.errors import (
    ConflictError,
    ModelError,
    NotFoundError,
    RefusedError,
    SettingsError,
    UnavailableError,
)
from barometer.settings import REPOSITORY, Settings
from barometer.tracking import CHALLENGER, CHAMPION, PREVIOUS, mlflow_client
from inference.promotion import promote, promote_canary, rollback
from inference.registry import fetch, load_champion, version_of, versions
from inference.stages import put_on_trial, withdraw
from tests.conftest import STARTER
from tests.servers import mlflow_server
from tests.training.gate_models import copy_starter, lose_class, write_rows
from training.gate.release import release
from training.register import register


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    write_rows(tmp_path)
    return Settings(
        state_dir=tmp_path / "state",
        emotion_data=str(tmp_path / "emotion"),
        sentiment_data=str(tmp_path / "sentiment"),
    )


def aliases(settings: Settings) -> dict[str, str]:
    found = mlflow_client(settings).get_registered_model(settings.model_name).aliases
    return {alias: str(version) for alias, version in found.items()}


def tags(settings: Settings, version: str) -> dict[str, str]:
    found: dict[str, str] = (
        mlflow_client(settings).get_model_version(settings.model_name, version).tags
    )
    return found


def command(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    own = {f"BAROMETER_{name.upper()}": str(getattr(settings, name))
           for name in ("state_dir", "emotion_data", "sentiment_data")}  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "barometer", *words],
        check=False, capture_output=True, text=True, cwd=REPOSITORY, env=os.environ | own,
    )  # fmt: skip


@pytest.mark.alone
def test_better_model_becomes_champion_and_rollback_puts_the_former_back(
    settings: Settings, tmp_path: Path
) -> None:
    worse = lose_class(copy_starter(tmp_path / "worse"), "positive")
    assert register(settings, worse, CHAMPION) == "1"
    assert register(settings, STARTER) == "2"
    steps: list[tuple[int, int, str]] = []
    dry = release(settings, dry_run=True, progress=lambda *step: steps.append(step))
    assert dry.passed, [line for line in dry.lines if not line.passed]
    assert steps[-1][0] == steps[-1][1] > 0
    assert aliases(settings) == {CHAMPION: "1", CHALLENGER: "2"}
    assert "gate" not in tags(settings, "2")

    decision = release(settings)
    assert decision.passed
    assert aliases(settings) == {CHAMPION: "2", PREVIOUS: "1"}
    assert load_champion(settings).version == "2"
    found = tags(settings, "2")
    assert (found["gate"], found["gate_against"]) == ("pass", "1")
    assert rollback(settings) == ("1", "2")
    assert aliases(settings) == {CHAMPION: "1", PREVIOUS: "2"}
    assert "rolled_back" in tags(settings, "2")
    shown = command(settings, "release", "--rollback")
    assert shown.stdout == "version 2 is champion again, version 1 is previous\n", shown.stderr
    assert aliases(settings) == {CHAMPION: "2", PREVIOUS: "1"}


def test_model_degraded_in_one_class_is_refused_and_the_report_says_why(
    settings: Settings, tmp_path: Path
) -> None:
    register(settings, STARTER, CHAMPION)
    register(settings, lose_class(copy_starter(tmp_path / "worse"), "fear"))
    shown = command(settings, "release", "--json")
    assert shown.returncode == RefusedError.exit_code
    assert "version 1 stays champion" in shown.stderr
    lines = json.loads(shown.stdout)["lines"]
    failed = [(line["check"], line["subject"]) for line in lines if not line["passed"]]
    assert ("class recall", "fear, validation") in failed
    assert not [s for check, s in failed if check == "class recall" and not s.startswith("fear")]
    assert aliases(settings) == {CHAMPION: "1", CHALLENGER: "2"}
    assert tags(settings, "2")["gate"] == "fail"
    run = mlflow_client(settings).get_model_version(settings.model_name, "2").run_id
    folder = Path(artifacts.download_artifacts(artifact_uri=f"runs:/{run}/gate"))
    report = json.loads((folder / "report.json").read_text())
    assert report["lines"] == lines
    assert "FAIL | class recall | fear" in (folder / "report.md").read_text()
    assert (folder / "report.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.alone
def test_canary_comes_before_production(settings: Settings, tmp_path: Path) -> None:
    worse = lose_class(copy_starter(tmp_path / "worse"), "positive")
    register(settings, worse, CHAMPION)
    register(settings, STARTER)
    shown = command(settings, "release", "--canary")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.endswith("version 2 is in canary now\n")
    assert aliases(settings) == {CHAMPION: "1", CHALLENGER: "2"}
    assert (tags(settings, "2")["stage"], tags(settings, "2")["gate"]) == ("canary", "pass")
    client = mlflow_client(settings)
    withdraw(client, settings.model_name, "2", "it was slow")
    with pytest.raises(ConflictError, match=r"version 2 was rolled back as canary \(it was slow"):
        release(settings)
    put_on_trial(settings, "2", "canary")
    assert "canary_rolled_back" not in tags(settings, "2")
    assert promote_canary(settings, "2") == "1"
    assert aliases(settings) == {CHAMPION: "2", PREVIOUS: "1"}
    assert [v.stage for v in versions(settings)] == ["production", "retired"]


def test_missing_equal_or_unknown_versions_are_named(settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="no champion"):
        release(settings)
    register(settings, STARTER, CHAMPION)
    with pytest.raises(NotFoundError, match="no challenger"):
        release(settings)
    with pytest.raises(ConflictError, match="version 1 is the champion already"):
        release(settings, version="1")
    for unknown in ("9", "newest"):
        with pytest.raises(NotFoundError, match=f"'{unknown}'"):
            release(settings, version=unknown)
    with pytest.raises(NotFoundError, match="no former champion"):
        rollback(settings)
    assert aliases(settings) == {CHAMPION: "1"}


def test_damaged_files_stop_the_release(settings: Settings) -> None:
    register(settings, STARTER, CHAMPION)
    register(settings, STARTER)
    file = fetch(settings, "2") / "tokenizer.json"
    file.write_text(file.read_text() + " ")
    with pytest.raises(ModelError, match=r"version 2.*not those that were registered"):
        release(settings)
    assert aliases(settings) == {CHAMPION: "1", CHALLENGER: "2"}
    assert "gate" not in tags(settings, "2")


def test_champion_that_changed_meanwhile_is_not_overwritten(settings: Settings) -> None:
    for alias in (CHAMPION, CHALLENGER, "other"):
        register(settings, STARTER, alias)
    mlflow_client(settings).set_registered_model_alias(settings.model_name, CHAMPION, "3")
    with pytest.raises(ConflictError, match="version 3 became champion"):
        promote(settings, "2", over="1")
    assert aliases(settings)[CHAMPION] == "3"


def test_registry_that_is_down_is_one_clear_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    gone = settings.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:9"})
    for call in (release, rollback):
        with pytest.raises(UnavailableError, match="BAROMETER_MLFLOW_TRACKING_URI"):
            call(gone)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 bucket on a local server; the environment says where, as it would for a real one."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "MLFLOW_S3_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    store = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    store.create_bucket(Bucket="models")
    yield "models"
    server.stop()


def test_files_go_to_s3_and_come_back_through_a_server(
    settings: Settings, bucket: str, tmp_path: Path
) -> None:
    with mlflow_server(tmp_path / "server", f"s3://{bucket}/server") as url:
        remote = settings.model_copy(update={"mlflow_tracking_uri": url})
        assert register(remote, STARTER, CHAMPION) == "1"
        assert _place(remote).startswith(f"s3://{bucket}/server/")
        assert load_champion(remote).version == "1"


def test_files_of_the_embedded_store_go_where_the_setting_says(
    settings: Settings, bucket: str
) -> None:
    own = settings.model_copy(update={"artifact_root": f"s3://{bucket}/embedded"})
    register(own, STARTER, CHAMPION)
    assert _place(own).startswith(f"s3://{bucket}/embedded/")
    folder = fetch(own, "1")
    assert (folder / "model.onnx").read_bytes() == (STARTER / "model.onnx").read_bytes()
    moved = settings.model_copy(update={"artifact_root": f"s3://{bucket}/elsewhere"})
    with pytest.raises(SettingsError, match="BAROMETER_ARTIFACT_ROOT"):
        version_of(mlflow_client(moved), moved.model_name, CHAMPION)


def test_report_that_cannot_be_stored_releases_nothing(
    settings: Settings, bucket: str, tmp_path: Path
) -> None:
    own = settings.model_copy(update={"artifact_root": f"s3://{bucket}/embedded"})
    register(own, lose_class(copy_starter(tmp_path / "worse"), "positive"), CHAMPION)
    register(own, STARTER)
    kept = [fetch(own, version) for version in ("1", "2")]
    objects = boto3.resource("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"]).Bucket(bucket)
    objects.objects.all().delete()
    objects.delete()
    with pytest.raises(UnavailableError, match="nothing was released"):
        release(own)
    assert aliases(own) == {CHAMPION: "1", CHALLENGER: "2"}
    for folder in kept:
        shutil.rmtree(folder)
    with pytest.raises(UnavailableError, match="files of model version 1"):
        release(own)


def _place(settings: Settings) -> str:
    client = mlflow_client(settings)
    run = client.get_model_version(settings.model_name, "1").run_id
    uri: str = client.get_run(run).info.artifact_uri
    return uri
