"""Run the fault test in a folder and on a small disk of its own, and tell what came of it."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from barometer.errors import UnavailableError
from serving.faults.plan import Kind
from serving.faults.processes import TETHER, clean_environment
from serving.faults.starting import DISK

BASE_MB: Final = 160
"""Room for two empty servers and their logs of writes."""
POSTS_A_MB: Final = 100
"""Posts for which a megabyte of the small disk is enough, in Redis' file and the database."""


def run_faults(posts: int, seconds: float, seed: int, workers: int) -> dict[str, Any]:
    """The figures of one test; its folder stays where something was lost or doubled.

    Raises:
        UnavailableError: a part could not be started, or the test itself failed.
    """
    folder = Path(tempfile.mkdtemp(prefix="barometer-faults-"))
    folder.chmod(0o711)  # PostgreSQL runs as somebody else where this is root
    (folder / DISK).mkdir()
    small = [sys.executable, "-m", "serving.faults.small_disk", str(folder / DISK)]
    told = [str(folder), str(posts), str(seconds), str(seed), str(workers)]
    command = [
        *small, str(BASE_MB + posts // POSTS_A_MB), *TETHER,
        sys.executable, "-m", "serving.faults.harness", *told,
    ]  # fmt: skip
    with subprocess.Popen(  # noqa: S603 - our own command line
        command, env=clean_environment(), cwd=folder, stdout=subprocess.PIPE, text=True
    ) as process:
        printed, _ = process.communicate()
    if process.returncode:
        raise UnavailableError(f"the fault test failed; its logs are in {folder}.")
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    if found["good"]:
        shutil.rmtree(folder)
    else:
        found["logs"] = str(folder)
    return found


def tables(found: dict[str, Any]) -> dict[str, list[tuple[str, Any]]]:
    """Rows of two values each, by the title of their table."""
    wrong = sum(abs(off) for off in found["counted_wrong"].values())
    return {
        f"{found['posts']:,} posts, seed {found['seed']}, {found['database']}": [
            ("accepted", found["accepted"]),
            ("stored", found["stored"]),
            ("dead-lettered", found["dead_lettered"]),
            ("dead-lettered for no fault of their own", found["innocent"]),
            ("lost", found["lost"]),
            ("duplicated", found["twice"]),
            ("counted wrong in rollups", wrong),
            ("dead-lettered though stored", found["stored_and_dead"]),
            ("stored though never accepted", found["never_accepted"]),
            ("left in the stream", found["left_in_stream"]),
            ("calls answered with wrong counts", found["miscounted"]),
            ("refused at the door", found["rejected"]),
        ],
        f"What was broken in {found['storm_s']:.0f} s; worked off {found['drain_s']:.0f} s later": [
            *((f"{kind}{_how(kind, found)}", times) for kind, times in found["broken"].items()),
            ("connections reset", found["connections_reset"]),
            *(
                (f"{name} ended by itself", len(codes))
                for name, codes in found["ended_alone"].items()
                if codes
            ),
            *((f"/ingest: {answer}", count) for answer, count in sorted(found["answers"].items())),
        ],
    }


def _how(kind: str, found: dict[str, Any]) -> str:
    return f" ({found['full_disk']})" if kind == Kind.DISK else ""
