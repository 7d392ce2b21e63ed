"""How the service is started: its command line and a quiet environment."""

import os
import socket
import sys

from barometer.settings import Settings


def is_free(port: int) -> bool:
    """Whether nothing listens on this port of the loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def bento_command() -> list[str]:
    """The BentoML service as a process, by the interpreter that runs Barometer."""
    return [sys.executable, "-m", "serving.start"]


def bento_environment(settings: Settings) -> dict[str, str]:
    """Where it listens, BentoML's folders in the state folder, no telemetry, threads bounded.

    No `X-Forwarded-*` header is believed, unless the environment names the proxies that set it.
    """
    return {
        "BAROMETER_HOST": settings.host,
        "BAROMETER_PORT": str(settings.port),
        "BENTOML_HOME": str(settings.state / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "FORWARDED_ALLOW_IPS": os.environ.get("FORWARDED_ALLOW_IPS", ""),
        "ORT_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": str(settings.session_threads),
        # glibc gives each thread a heap of its own, which keeps what the thread has freed.
        "MALLOC_ARENA_MAX": "2",
        "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", str(settings.state / "matplotlib")),
    }
