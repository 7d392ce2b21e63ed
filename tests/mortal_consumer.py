"""A consumer in a process of its own that one text kills with SIGKILL.

    python -m tests.mortal_consumer TEXT

It acknowledges what it gets, without storing it, and ends once nothing waits.
"""

import os
import signal
import sys
from contextlib import closing

from barometer.brokers import open_broker
from barometer.settings import settings


def main(deadly: str) -> None:
    with closing(open_broker(settings())) as broker:
        while broker.backlog():
            entries = broker.receive("mortal", 100, block_ms=100)
            if any(entry.post and entry.post.text == deadly for entry in entries):
                os.kill(os.getpid(), signal.SIGKILL)
            broker.acknowledge(entries)


if __name__ == "__main__":
    main(sys.argv[1])
