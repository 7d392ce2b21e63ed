"""Ctrl-C that is not lost while a program starts."""

import os
import signal
import threading
import time
from types import FrameType

AGAIN_S = 3.0
"""Seconds that an interrupted start has to end before it is told again."""


def keep_interrupts() -> None:
    """Repeat a SIGINT until it takes effect, for as long as no other handler is set.

    Libraries that are imported during a start hold bare `except:` clauses; a KeyboardInterrupt
    that rises inside one is swallowed, and the program would run on as if nobody had asked.
    """
    asked = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        raise KeyboardInterrupt

    def repeat() -> None:
        asked.wait()
        ours = True
        while ours:
            time.sleep(AGAIN_S)
            ours = signal.getsignal(signal.SIGINT) is interrupt
            os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, interrupt)
    threading.Thread(target=repeat, daemon=True).start()
