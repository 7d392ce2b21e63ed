"""Deploy every flow of `prefect.yaml` to the server, start each once, and become a worker.

`barometer up` runs this. By hand: `prefect deploy --all`, then
`prefect worker start --pool barometer`.
"""

import os
import subprocess
import sys
import time

import httpx

from barometer.console import print_line
from barometer.errors import UnavailableError
from barometer.settings import REPOSITORY, settings

POOL = "barometer"
FIRST_RUNS = ("ingest/ingest", "watch/watch")
"""Run at once, so that a fresh machine shows a report before its first scheduled hour."""
FIRST_RUNS_OF_REDDIT = ("recheck/recheck",)
"""Run at once where Reddit is read: its terms want what is deleted there gone within a day."""
SERVER_WAIT_S = 120.0


def wait_for_server(api_url: str, seconds: float) -> None:
    """Wait until Prefect's server answers.

    Raises:
        UnavailableError: it did not in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{api_url}/health", timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass  # it is still starting
        time.sleep(0.5)
    raise UnavailableError(f"Prefect's server at {api_url} did not answer in {seconds:.0f} s.")


def _prefect(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "prefect", *words], cwd=REPOSITORY, check=True)  # noqa: S603


def main() -> None:
    """Deploy, start the first runs, and hand this process over to Prefect's worker."""
    wait_for_server(os.environ["PREFECT_API_URL"], SERVER_WAIT_S)
    _prefect("work-pool", "create", POOL, "--type", "process", "--overwrite")
    _prefect("--no-prompt", "deploy", "--all")
    reddit = FIRST_RUNS_OF_REDDIT if settings().reddit_client_id else ()
    for deployment in (*FIRST_RUNS, *reddit):
        _prefect("deployment", "run", deployment)
    print_line("flows are deployed; the worker starts")
    worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--limit", "2"]
    os.chdir(REPOSITORY)
    os.execv(sys.executable, worker)  # noqa: S606 - our own command line, no shell


if __name__ == "__main__":
    main()
