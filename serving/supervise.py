"""Run Barometer's processes on one machine: label what they say, restart what dies, stop them all.

Circus does the supervising: it is the supervisor that BentoML itself brings along.
"""

import contextlib
import fcntl
import os
import shlex
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil
from circus import get_arbiter
from circus.exc import ConflictError as CircusConflict
from circus.sighandler import SysHandler

from barometer.errors import ConflictError

COLOURS = (36, 35, 32, 33, 34, 96, 95, 92)
SWEEP_S = 3.0


@dataclass(frozen=True)
class Process:
    """One command to keep running."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False
    """Keep its output for its log file; only its warnings matter on the terminal."""
    grace_s: float = 10.0
    """Seconds between being told to stop and being killed."""


class Labelled:
    """Writes a process's lines to the terminal behind its name, and to its log file."""

    _terminal = threading.Lock()

    def __init__(self, process: Process, width: int, colour: int, logs: Path) -> None:
        label = f"{process.name:>{width}} │ "
        self._label = f"\x1b[{colour}m{label}\x1b[0m" if sys.stdout.isatty() else label
        self._quiet = process.quiet
        self._log = (logs / f"{process.name}.log").open("ab", buffering=0)
        self._rest = {"stdout": b"", "stderr": b""}

    def __call__(self, data: Mapping[str, Any]) -> None:
        """Take a piece of output as circus hands it on."""
        piece: bytes = data["data"] if isinstance(data["data"], bytes) else data["data"].encode()
        self._log.write(piece)
        *lines, rest = (self._rest[data["name"]] + piece).split(b"\n")
        self._rest[data["name"]] = rest
        with self._terminal:
            for line in lines:
                text = line.decode(errors="replace")
                if text.strip() and not (self._quiet and not _is_alarming(text)):
                    sys.stdout.write(f"{self._label}{text}\n")
            sys.stdout.flush()

    def close(self) -> None:
        """Close the log file."""
        self._log.close()


def _is_alarming(line: str) -> bool:
    return any(word in line for word in ("ERROR", "CRITICAL", "Traceback", '"error"', "error:"))


def lock(state: Path) -> IO[str]:
    """Hold the state folder for this `barometer up`; keep the file open as long as it runs.

    Raises:
        ConflictError: another `barometer up` holds it.
    """
    file = (state / "up.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ConflictError(
            f"Barometer runs already on {state}: stop it first, or set BAROMETER_STATE_DIR."
        ) from error
    return file


def supervise(processes: Sequence[Process], logs: Path) -> None:
    """Run the processes until SIGINT, SIGTERM or SIGHUP; each runs in a session of its own.

    They are stopped together: what a scorer could not acknowledge to a Redis that went first comes
    to it again at the next start. When this process is killed, the kernel stops them (`tether`).
    """
    SysHandler.handle_hup = SysHandler.handle_term  # a closed terminal ends it; no reload
    logs.mkdir(parents=True, exist_ok=True)
    width = max(len(process.name) for process in processes)
    sessions = Sessions()
    with tempfile.TemporaryDirectory(prefix="barometer-") as private:
        arbiter = get_arbiter(
            [
                _watcher(
                    process, Labelled(process, width, COLOURS[i % len(COLOURS)], logs), sessions
                )
                for i, process in enumerate(processes)
            ],
            # A TCP endpoint would let any user of the machine start commands as this one.
            controller=f"ipc://{private}/control",
            pubsub_endpoint=f"ipc://{private}/events",
            check_delay=1.0,
            loglevel="CRITICAL",
        )
        try:
            arbiter.start()
        finally:
            # It may be in the middle of a restart and refuse; the sweep below is what counts.
            with contextlib.suppress(CircusConflict):
                arbiter.stop()
            sessions.sweep_all()


class Sessions:
    """What each watched process leaves behind: the rest of its session, once it is dead."""

    def __init__(self) -> None:
        self._leaders: dict[str, int] = {}

    def after_spawn(self, watcher: Any, pid: int, **_: Any) -> bool:
        """Note the session of a new process (circus' `after_spawn` hook)."""
        self._leaders[watcher.name] = pid
        return True

    def before_spawn(self, watcher: Any, **_: Any) -> bool:
        """End what the dead one left, which may hold the port (circus' `before_spawn` hook)."""
        leader = self._leaders.get(watcher.name)
        if leader is not None:
            _end(leader)
        return True

    def sweep_all(self) -> None:
        """End what is left of every session."""
        for leader in self._leaders.values():
            _end(leader)


def _end(session: int) -> None:
    left = [process for process in psutil.process_iter() if _session_of(process.pid) == session]
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(left, timeout=SWEEP_S)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _watcher(process: Process, output: Labelled, sessions: Sessions) -> dict[str, Any]:
    command = [sys.executable, "-m", "serving.tether", *process.command]
    return {
        "name": process.name,
        "cmd": shlex.join(command),
        "env": {**os.environ, "PYTHONUNBUFFERED": "1", **process.env},
        "copy_env": True,
        "stdout_stream": {"stream": output},
        "stderr_stream": {"stream": output},
        "stop_signal": signal.SIGTERM,
        "stop_children": True,
        "graceful_timeout": process.grace_s,
        "max_retry": -1,
        "autostart": True,
        "priority": 0,
        "hooks": {
            "before_spawn": (sessions.before_spawn, False),
            "after_spawn": (sessions.after_spawn, False),
        },
    }
