"""The `sync` flow by hand: without Prefect's server it brings its own."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis

from barometer.analyses import history
from barometer.analysis_queue import CACHED, AnalysisQueue
from barometer.database import database_url, engine_for
from barometer.settings import REPOSITORY, Settings
from tests.barometer.kept import kept


def test_flow_writes_what_waits(
    settings: Settings, redis_url: str, redis: Redis, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    content = kept("ferry", now).model_dump_json().encode()
    assert AnalysisQueue(redis).keep(f"{CACHED}ferry", content, 3600)
    run = subprocess.run(
        [sys.executable, "-m", "flows.sync"], cwd=REPOSITORY, check=True, timeout=400,
        capture_output=True, text=True, env={
            **os.environ, "BAROMETER_STATE_DIR": str(settings.state),
            "BAROMETER_REDIS_URL": redis_url, "BAROMETER_SYNC_MAX_AGE_S": "0",
            "PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        },
    )  # fmt: skip
    assert "1 analyses are written" in run.stderr + run.stdout
    [written] = history(engine_for(database_url(settings)), "ferry", now, 10)
    assert written["time"] == now
