"""The command line in a process of its own, without importing everything anew for each call.

A server process imports what most commands need, once, and is forked for each call: the same door,
exit code and streams as those of `python -m barometer`, in a tenth of the time.
"""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from typing import Final

from barometer.settings import REPOSITORY

TIMEOUT_S: Final = 120.0

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["tests.preloaded"])


@dataclass(frozen=True)
class Running:
    """A call under way."""

    process: BaseProcess
    out: Path
    err: Path


@contextmanager
def started(*words: str, state: Path, **env: str) -> Iterator[Running]:
    """Run `barometer` with `words` on a state folder within the block; kill what is left of it."""
    given = {**os.environ, "BAROMETER_STATE_DIR": str(state), "COLUMNS": "120", **env}
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _server.Process(target=_call, args=(words, given, out, err))
        process.start()
        try:
            yield Running(process, out, err)
        finally:
            process.kill()
            process.join()


def barometer(*words: str, state: Path, **env: str) -> "CompletedProcess[str]":
    """Run `barometer` with `words` on a state folder, with further variables, to its end."""
    with started(*words, state=state, **env) as call:
        call.process.join(TIMEOUT_S)
        code = call.process.exitcode
        if code is None:
            raise TimeoutExpired(words, TIMEOUT_S)
        return CompletedProcess(words, code, call.out.read_text(), call.err.read_text())


def _call(words: tuple[str, ...], env: dict[str, str], out: Path, err: Path) -> None:
    for number, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(REPOSITORY)
    sys.argv = ["barometer", *words]
    from barometer.entry import main  # noqa: PLC0415  as the server imported it

    main()
