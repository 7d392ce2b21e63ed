"""Who may go on with which search, with the kernel's own locks."""

import subprocess
import sys
from pathlib import Path

import pytest

from barometer.errors import ConflictError, NotFoundError
from barometer.settings import REPOSITORY
from training.search.claim import claimed, newest_unfinished
from training.search.plan import FILE

HOLDER = """
import sys
from pathlib import Path
from training.search.claim import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def searches(tmp_path: Path) -> Path:
    for name in ("20260101", "20260102", "20260103"):
        (tmp_path / name).mkdir()
        (tmp_path / name / FILE).touch()
    (tmp_path / "20260104").mkdir()  # not yet planned
    return tmp_path


def test_newest_search_that_nobody_runs_is_taken(searches: Path) -> None:
    with newest_unfinished(searches) as newest:
        assert newest.name == "20260103"
        with newest_unfinished(searches) as older:
            assert older.name == "20260102"
    with newest_unfinished(searches) as again:
        assert again.name == "20260103"
        (again / FILE).unlink()
    with newest_unfinished(searches) as left:
        assert left.name == "20260102"


def test_search_that_another_process_runs_is_refused_until_that_is_killed(searches: Path) -> None:
    for name in ("20260101", "20260102"):
        (searches / name / FILE).unlink()
    running = searches / "20260103"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(running)], cwd=REPOSITORY, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(ConflictError, match="20260103 is running"),
            newest_unfinished(searches),
        ):
            pass
        with pytest.raises(ConflictError), claimed(running):
            pass
        holder.kill()
    with newest_unfinished(searches) as found:
        assert found == running


def test_nothing_to_resume_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no unfinished search"), newest_unfinished(tmp_path):
        pass
