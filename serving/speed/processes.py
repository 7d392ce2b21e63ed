"""Processes of a measurement: each on the cores that it is given, ended with the block."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from barometer.errors import UnavailableError

GRACE_S: Final = 20.0
READY_S: Final = 30.0


def cores() -> tuple[list[int], list[int]]:
    """One core for what is measured, and those for everything else: the same where there is one."""
    own = sorted(os.sched_getaffinity(0))
    return own[-1:], own[:-1] or own


@contextmanager
def aside() -> Iterator[None]:
    """Keep this process, and what it starts, off the measured core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores()[1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def running(
    command: Sequence[str],
    env: Mapping[str, str],
    folder: Path,
    *,
    on: Sequence[int] | None = None,
    stop_signal: int = signal.SIGTERM,
    talks: bool = False,
) -> Iterator[psutil.Popen]:
    """The command as a process.

    Args:
        command: its command line.
        env: its environment.
        folder: where it runs, and writes what it says on standard error.
        on: its cores; None: those of this process.
        stop_signal: what ends it.
        talks: give it pipes of text for standard input and output.
    """
    pipe = subprocess.PIPE if talks else None
    with (folder / "speed.log").open("ab") as log:
        process = psutil.Popen(
            command, env=env, cwd=folder, stdin=pipe, stdout=pipe or log, stderr=log, text=talks
        )
    if on is not None:
        process.cpu_affinity(list(on))  # before it has threads, which inherit it
    try:
        yield process
    finally:
        process.send_signal(stop_signal)
        try:
            process.wait(GRACE_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait()


def processor_s(process: psutil.Process) -> float:
    """Processor seconds that it has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def until_socket(name: str, path: Path) -> None:
    """Wait until a server listens on its socket.

    Raises:
        UnavailableError: it does not.
    """
    deadline = time.monotonic() + READY_S
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(path))
        except OSError as error:
            if time.monotonic() > deadline:
                raise UnavailableError(f"{name} did not start within {READY_S:g} s.") from error
            time.sleep(0.05)
        else:
            return
