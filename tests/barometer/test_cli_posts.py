"""`barometer posts`: what analysts and operators type."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from barometer.analyses import write
from barometer.database import database_url, engine_for, migrate
from barometer.settings import REPOSITORY, Settings
from barometer.store import store
from tests.barometer.kept import kept
from tests.command_line import barometer
from tests.conftest import judgement, post

WITHOUT_PYARROW = (
    "import sys; sys.modules['pyarrow'] = None; from barometer.entry import main; main()"
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with a post and an analysis of today, and ones 30 days old."""
    url = database_url(Settings(state_dir=tmp_path / "state"))
    migrate(url)
    now = datetime.now(UTC)
    write(engine_for(url), [kept("ferry", now - timedelta(days=days)) for days in (0, 30)])
    store(engine_for(url), [
        (post(days, f"said {days} days ago", created_at=now - timedelta(days=days)), judgement())
        for days in (0, 30)
    ])  # fmt: skip
    return tmp_path / "state"


def test_old_posts_are_counted_then_deleted_and_the_rest_is_exported(state: Path) -> None:
    words = ("posts", "prune", "--keep-days", "20", "--json")
    counted = json.loads(barometer(*words, "--dry-run", state=state).stdout)
    assert (counted["posts"], counted["minute_rollups"], counted["deleted"]) == (1, 1, False)
    assert counted["analyses"] == 1
    days = {"BAROMETER_POST_KEEP_DAYS": "20"}
    assert "1 posts older than 20 days" in barometer("posts", "prune", state=state, **days).stdout
    assert json.loads(barometer(*words, state=state).stdout)["posts"] == 0
    file = state / "posts.parquet"
    done = barometer("posts", "export", "--parquet", str(file), "--json", state=state)
    assert json.loads(done.stdout) == {
        "file": str(file), "posts": 1, "bytes": file.stat().st_size,
    }  # fmt: skip
    assert pq.read_table(file).column("id").to_pylist() == ["0"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("prune",), 64, "BAROMETER_POST_KEEP_DAYS"),
        (("export", "--parquet", "x.parquet", "--since", "soon"), 64, "since: must be an ISO"),
        (("export", "--parquet", "/nowhere/x.parquet"), 74, "/nowhere/x.parquet"),
    ],
)
def test_error_is_one_clear_line(
    tmp_path: Path, words: tuple[str, ...], code: int, sentence: str
) -> None:
    result = barometer("posts", *words, state=tmp_path)
    assert result.returncode == code, result.stderr
    assert sentence in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_missing_pyarrow_names_its_extra(tmp_path: Path) -> None:
    words = ["posts", "export", "--parquet", str(tmp_path / "x.parquet")]
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYARROW, *words], check=False, capture_output=True,
        text=True, cwd=REPOSITORY, timeout=60, env={"BAROMETER_STATE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert result.returncode == 69
    assert "'ops' extra" in result.stderr
