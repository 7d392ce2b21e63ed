"""Ray for the length of a search: on this machine, or the cluster that a setting names.

Ray's own processes listen on every address, whatever they are told. So token authentication is on,
with a token of this session alone; a client without it is refused.
"""

import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from barometer.errors import UnavailableError

OBJECT_STORE_BYTES = 200_000_000
"""Shared memory of a local session: the rows, tens of megabytes, pass through it."""

ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # the trials are the work; Ray would put them behind all else
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the search here, as everywhere
    "TUNE_GLOBAL_CHECKPOINT_S": "1",  # what a killed search forgets, in seconds
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
"""Ray reads these as it is imported; what the user has set stays."""


@dataclass(frozen=True)
class Share:
    """What one trial gets of the machines, and how many run at a time."""

    cpus: int
    gpus: float
    """A part of a GPU where several trials share it."""
    concurrent: int


@contextmanager
def ray_session(address: str) -> Iterator[None]:
    """Ray while the block runs; nothing of it is left behind, on an error neither.

    Args:
        address: `host:port` of a cluster that this machine belongs to; empty: this machine alone.

    Raises:
        UnavailableError: the cluster does not answer or refuses the token.
    """
    if "ray" in sys.modules and os.environ.get("RAY_AUTH_MODE") != "token":
        raise RuntimeError("ray was imported before its session: it would run without its token")
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not address:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    import ray  # noqa: PLC0415 - its environment must stand first

    # A trial's failure is told by the search, in a line, rather than by Ray with its traceback.
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL"}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(
                address="local",
                dashboard_host="127.0.0.1",
                object_store_memory=OBJECT_STORE_BYTES,
                **quiet,
            )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        ray.shutdown()
        where = f"at BAROMETER_RAY_ADDRESS={address}" if address else "on this machine"
        raise UnavailableError(
            f"Ray does not start {where} ({str(error).splitlines()[0]}): check the address, and "
            "RAY_AUTH_TOKEN if it is a cluster with a token."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def share_of(nodes: Sequence[dict[str, Any]], concurrent: int | None) -> Share:
    """Divide the machines among the trials: a GPU a trial, else a machine a trial.

    Args:
        nodes: As `ray.nodes()` tells them.
        concurrent: Trials at a time; None: as many as there are GPUs, else machines.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = sum(node.get("GPU", 0.0) for node in alive)
    usable = [node for node in alive if node.get("GPU" if gpus else "CPU", 0.0)]
    count = concurrent or max(1, int(gpus) or len(usable))
    a_node = -(-count // max(1, len(usable)))
    cpus = min((int(node.get("CPU", 1)) for node in usable), default=1)
    return Share(max(1, cpus // a_node), min(1.0, gpus / count), count)
