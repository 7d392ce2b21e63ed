"""Run a `barometer` command and tell what its threads spend their time with.

    python -m serving.speed.sampled SHARES.json work --name scorer

Between one SIGUSR1 and the next, the stack of every thread is looked at some hundred times a
second; the innermost module that is known says what it does. A thread that waits for another counts
for nothing. At the second signal the number of looks by part is written to the file.
"""

import json
import runpy
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

EVERY_S: Final = 0.004
PARTS: Final = {
    "inference.": "classify",
    "serving.judge": "classify",
    "serving.known_answers": "classify",
    "sqlalchemy.": "store",
    "psycopg.": "store",
    "barometer.store": "store",
    "barometer.events": "store",
    "barometer.text": "store",
    "redis.": "stream",
    "barometer.carried": "stream",
    "barometer.redis_": "stream",
    "barometer.live": "stream",
}
"""What a module works for, by how its name begins."""
OTHER: Final = "other"
WAITING: Final = ("threading", "concurrent.futures", "queue", "selectors")


class Sampler(threading.Thread):
    """Looks at the other threads while it is switched on."""

    def __init__(self, file: Path) -> None:
        super().__init__(name="sampler", daemon=True)
        self._file = file
        self._on = threading.Event()
        self._looks: Counter[str] = Counter()

    def switch(self, _: int, __: FrameType | None) -> None:
        """Begin, or end and write what was seen."""
        if self._on.is_set():
            self._on.clear()
            self._file.write_text(json.dumps(self._looks))
        else:
            self._on.set()

    def run(self) -> None:
        """Look until the process ends."""
        pause = threading.Event()
        while self._on.wait():
            for ident, frame in sys._current_frames().items():  # noqa: SLF001 - its documented name
                part = part_of(frame) if ident != self.ident else None
                if part is not None:
                    self._looks[part] += 1
            pause.wait(EVERY_S)


def part_of(frame: FrameType | None) -> str | None:
    """What the stack that ends in `frame` works for; None: its thread waits for another."""
    if frame is None or frame.f_globals.get("__name__", "").startswith(WAITING):
        return None
    while frame is not None:
        name = f"{frame.f_globals.get('__name__', '')}."
        for beginning, part in PARTS.items():
            if name.startswith(beginning):
                return part
        frame = frame.f_back
    return OTHER


def main() -> None:
    """Become the command, sampled."""
    file, *command = sys.argv[1:]
    sampler = Sampler(Path(file))
    sampler.start()
    signal.signal(signal.SIGUSR1, sampler.switch)
    sys.argv = ["barometer", *command]
    runpy.run_module("barometer", run_name="__main__")


if __name__ == "__main__":
    main()
