"""How fast the service and a scorer start, and how much memory they stay in.

    python -m benchmarks.start

A new state folder is made with the starter as champion and an embedded Redis, as `barometer up`
makes it. Then the service is started several times: the first start is the cold one, the others
find every file in the system's memory. Wall-clock seconds mean something on a machine without
other work only; processor seconds are told beside them. Memory is resident, after 1,000 texts.
"""

import time

import httpx

from barometer.console import print_table
from barometer.redis_server import connected, server_command
from barometer.settings import Settings
from benchmarks.scratch import BAROMETER, running, scratch_settings
from serving.parts import STARTER
from training.register import ensure_champion

STARTS = 4
READY_S = 120.0


def main() -> None:
    """Measure and print the table."""
    with scratch_settings() as settings:
        ensure_champion(settings, STARTER)
        with running(server_command(settings), settings):
            connected(settings, wait_s=10)
            rows = [start(settings, number) for number in range(STARTS)]
    columns = ("start", "seconds", "processor seconds", "MB when ready", "MB after 1,000 texts")
    print_table("The service from its command to its first answer", columns, rows)


def start(settings: Settings, number: int) -> tuple[str, float, float, float, float]:
    """One start; a line of the table."""
    began = time.perf_counter()
    with running([*BAROMETER, "serve"], settings) as process:
        base = f"http://127.0.0.1:{settings.port}"
        with httpx.Client(base_url=base, timeout=60) as http:
            while not answers(http):
                if time.perf_counter() - began > READY_S:
                    raise TimeoutError(f"the service did not answer within {READY_S:g} s")
                time.sleep(0.01)
            seconds = time.perf_counter() - began
            used = sum(process.cpu_times()[:2])
            ready = process.memory_info().rss
            for first in range(0, 1_000, 100):
                texts = [f"i feel {n} times better " * 3 for n in range(first, first + 100)]
                http.post("/predict/batch", json={"texts": texts}).raise_for_status()
            after = process.memory_info().rss
    name = "cold" if number == 0 else "warm"
    return (name, round(seconds, 2), round(used, 2), round(ready / 1e6, 1), round(after / 1e6, 1))


def answers(http: httpx.Client) -> bool:
    """Whether a text is classified."""
    try:
        return http.post("/predict", json={"text": "i am glad"}).is_success
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    main()
