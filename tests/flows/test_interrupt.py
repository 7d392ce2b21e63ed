"""An interrupt that a library swallows is not lost."""

import signal
import subprocess
import sys

from barometer.settings import REPOSITORY

START = """
import time
from flows.interrupt import keep_interrupts

keep_interrupts()
try:
    print("starting", flush=True)
    time.sleep(60)
except:
    print("swallowed", flush=True)
time.sleep(60)
"""


def test_swallowed_interrupt_comes_again() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", START], cwd=REPOSITORY, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "starting\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert out == "swallowed\n"
    assert "KeyboardInterrupt" in err
