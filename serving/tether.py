"""Tie a process's life to its parent's: no orphan keeps a port or writes a file behind a new one.

`python -m serving.tether COMMAND...` becomes COMMAND, tied to whoever started it.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
"""From <sys/prctl.h>: the signal that the kernel sends when the parent dies."""


def tie_to_parent() -> None:
    """Be sent SIGTERM when the parent dies, however it dies. Linux only: others are not tied."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died in between, and its signal with it
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Become the command."""
    tie_to_parent()
    command = sys.argv[1:]
    os.execvp(command[0], command)  # noqa: S606 - our own command line, no shell


if __name__ == "__main__":
    main()
