import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from barometer.brokers import open_broker
from barometer.redis_server import connect
from barometer.settings import REPOSITORY, Settings
from tests.command_line import barometer
from tests.conftest import post

STARTER = str(REPOSITORY / "models" / "starter")


def test_program_starts_and_ends_as_a_module_too(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "barometer", "sources"], check=False, capture_output=True, text=True,
        cwd=REPOSITORY, timeout=120,
        env={**os.environ, "BAROMETER_STATE_DIR": str(tmp_path), "BAROMETER_PORTT": "1"},
    )  # fmt: skip
    assert result.returncode == 78
    assert result.stderr.startswith("error: BAROMETER_PORTT is not a setting")


def test_program_starts_without_the_libraries_that_few_commands_need() -> None:
    check = (
        "import barometer.entry, sys\n"
        "print([n for n in ('redis', 'sqlalchemy', 'numpy', 'mlflow') if n in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert result.stdout.strip() == "[]"


def test_database_that_fails_in_a_command_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "barometer.db").write_text("no database " * 100)
    result = barometer("sources", state=tmp_path)
    assert result.returncode == 69
    [line] = result.stderr.splitlines()
    assert line.startswith("error: the database failed while this command worked (DatabaseError")


def test_help_lists_the_commands_and_gives_examples(tmp_path: Path) -> None:
    text = barometer("--help", state=tmp_path).stdout
    for command in ("up", "serve", "work", "ingest", "sources", "track", "train", "evaluate",
                    "export", "models", "drift", "dead-letters", "sync"):  # fmt: skip
        assert f" {command} " in text
        assert "Example:" in barometer(command, "--help", state=tmp_path).stdout


@pytest.mark.parametrize(
    ("words", "env", "code", "sentence"),
    [
        (("sources",), {"BAROMETER_PORTT": "1"}, 78, "BAROMETER_PORTT is not a setting"),
        (("sources",), {"BAROMETER_PORT": "x"}, 78, "BAROMETER_PORT cannot be used"),
        (("evaluate", "/nowhere"), {}, 65, "/nowhere lacks model.onnx"),
        (("evaluate", STARTER), {"BAROMETER_EMOTION_DATA": "."}, 65, "train.jsonl"),
        (("evaluate", STARTER, "--split", "train"), {}, 64, "validation or test"),
        (("ingest", "--source", "fax"), {}, 64, "fax"),
        (("ingest", "--event", "none"), {}, 66, "none"),
        (("up",), {"BAROMETER_REPLAY": "/nowhere.jsonl"}, 65, "/nowhere.jsonl"),
        (("models",), {"BAROMETER_MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, 69, "MLFLOW"),
        (("dead-letters",), {"BAROMETER_REDIS_URL": "redis://127.0.0.1:9"}, 69, "Redis"),
        (("dead-letters", "--replay", "--delete"), {}, 64, "--delete"),
        (("work", "--name", "a/b"), {}, 64, "--name"),
        (("drift",), {"BAROMETER_DATABASE_URL": "postgresql://127.0.0.1:9/x"}, 69, "database"),
        (("drift",), {"BAROMETER_DATABASE_URL": "nonsense"}, 78, "BAROMETER_DATABASE_URL"),
        (("drift",), {}, 65, "BAROMETER_DRIFT_MIN_POSTS"),
        (("track", " "), {}, 64, "title"),
        (("track", "All"), {}, 64, "reserved"),
        (("track", "x", "--source", "fax"), {}, 64, "'fax' is unknown; known: rss, reddit"),
        (("sources", "test", "news"), {}, 78, "needs BAROMETER_NEWS_API_KEY"),
        (("work",), {"BAROMETER_REDIS_URL": "localhost:6379"}, 78, "BAROMETER_REDIS_URL"),
        (("drift",), {"BAROMETER_DATABASE_URL": "mysql://x/y"}, 78, "BAROMETER_DATABASE_URL"),
        (("drift",), {"BAROMETER_STATE_DIR": "/dev/null/x"}, 78, "BAROMETER_STATE_DIR"),
        (("train", "."), {}, 64, "target"),
        (("track", "x", "--keyword", "y" * 101), {}, 64, "keywords"),
    ],
)
def test_error_is_one_clear_line_and_an_exit_code(
    tmp_path: Path, words: tuple[str, ...], env: dict[str, str], code: int, sentence: str
) -> None:
    result = barometer(*words, state=tmp_path, **env)
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert sentence in lines[-1]
    assert lines[-1].startswith("error: ")
    assert "Traceback" not in result.stderr


def test_track_and_sources_speak_json(tmp_path: Path) -> None:
    said = barometer("track", "City Vote", "--source", "rss", "--source", "news", "--json",
                     state=tmp_path)  # fmt: skip
    tracked = json.loads(said.stdout)
    assert (tracked["slug"], tracked["sources"]) == ("city-vote", ["rss", "news"])
    assert "news is not read before you set BAROMETER_NEWS_API_KEY" in said.stderr
    assert barometer("track", "City vote", state=tmp_path).returncode == 73
    listed = json.loads(barometer("sources", "--json", state=tmp_path).stdout)
    assert {line["name"]: line["state"] for line in listed}["rss"] == "ready"
    off = barometer("sources", "--json", state=tmp_path, BAROMETER_NEWS_SEARCH_URL="off")
    rss = next(line for line in json.loads(off.stdout) if line["name"] == "rss")
    assert rss["state"] == "missing setting"
    assert "BAROMETER_FEEDS" in rss["detail"]


def test_model_folder_is_registered_as_challenger_and_listed(tmp_path: Path) -> None:
    registered = barometer("models", "--register", STARTER, "--json", state=tmp_path).stdout
    assert json.loads(registered) == {"version": "1", "alias": "challenger", "folder": STARTER}
    [version] = json.loads(barometer("models", "--json", state=tmp_path).stdout)
    assert version["aliases"] == ["challenger"]
    assert version["metrics"]["validation.emotion.accuracy"] >= 0.925
    assert "challenger" in barometer("models", state=tmp_path).stdout
    assert "version 2" in barometer("models", "--register", STARTER, state=tmp_path).stdout


def test_dead_letters_are_listed_replayed_and_deleted(tmp_path: Path, redis_url: str) -> None:
    connect(redis_url).flushall()
    broker = open_broker(Settings(redis_url=redis_url))
    broker.publish([post(n, f"text {n}") for n in range(3)])
    for entry in broker.receive("w", 10, block_ms=50):
        broker.bury(entry, "the database refused it")

    def said(*words: str) -> object:
        result = barometer("dead-letters", *words, "--json", state=tmp_path, **env)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    env = {"BAROMETER_REDIS_URL": redis_url}
    listed = said()
    assert [letter["reason"] for letter in listed] == ["the database refused it"] * 3  # type: ignore[attr-defined]
    assert said("--replay", "--limit", "2") == {"replayed": 2}
    assert said("--delete") == {"deleted": 1}
    assert [e.post.id for e in broker.receive("w", 10, block_ms=50) if e.post] == ["0", "1"]
    table = barometer("dead-letters", state=tmp_path, **env)
    assert "Dead letters" in table.stdout
