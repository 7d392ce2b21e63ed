"""Names for the scorers of one machine: the same after a restart, and never two of one name.

A scorer drains first what its name held when it stopped, so a name is kept for the next one; two
living scorers of one name would take each other's posts for their own.
"""

import contextlib
import fcntl
import itertools
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from barometer.errors import ConflictError, InputError

NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


@contextlib.contextmanager
def worker_name(state: Path, asked: str = "") -> Iterator[str]:
    """Hold `asked`, or else the first of `HOST-1`, `HOST-2`, … that no scorer here holds.

    The lock goes with the process, however it ends. Names are told apart within one state folder
    and between hosts.

    Raises:
        ConflictError: a living scorer holds `asked`.
        InputError: `asked` cannot be a name.
    """
    if asked and not NAME.fullmatch(asked):
        raise InputError("--name: must be letters, digits, dots, dashes or underscores.", "name")
    folder = state / "workers"
    folder.mkdir(exist_ok=True)
    names = [asked] if asked else (f"{socket.gethostname()}-{n}" for n in itertools.count(1))
    for name in names:
        with (folder / f"{name}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield name
            return
    raise ConflictError(f"--name: a scorer called {asked} runs already: choose another name.")
