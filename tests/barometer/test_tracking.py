"""The MLflow store under several processes."""

import os
import subprocess
import sys
from pathlib import Path

from barometer.settings import REPOSITORY


def test_commands_that_make_the_store_at_once_all_succeed(tmp_path: Path) -> None:
    environment = {**os.environ, "BAROMETER_STATE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "barometer", "models", "--json"]
    running = [
        subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]  # fmt: skip
    ended = [(*process.communicate(timeout=120), process.returncode) for process in running]
    assert [(out.strip(), code) for out, _, code in ended] == [("[]", 0)] * 3, ended
