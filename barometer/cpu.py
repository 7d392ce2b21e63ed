"""How busy the machine is; work that can wait asks before it begins."""

from typing import Final

import psutil

SAMPLE_S: Final = 1.0


def cpu_percent() -> float:
    """Per cent that all the machine's CPUs were busy in the next second, in which this rests."""
    return psutil.cpu_percent(SAMPLE_S)
