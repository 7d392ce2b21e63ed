"""How BentoML is started: its command line and a quiet environment."""

import os
import socket
import sys
from pathlib import Path

from barometer.settings import Settings

TARGET = "serving.service:BarometerService"


def is_free(port: int) -> bool:
    """Whether nothing listens on this port of the loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def bento_command(settings: Settings) -> list[str]:
    """BentoML's serve command, by the interpreter that runs Barometer."""
    script = Path(sys.executable).parent / "bentoml"
    where = ["--host", settings.host, "--port", str(settings.port)]
    return [sys.executable, str(script), "serve", TARGET, *where]


def bento_environment(settings: Settings) -> dict[str, str]:
    """BentoML's folders inside the state folder, nothing phoned home, threads bounded.

    No `X-Forwarded-*` header is believed, unless the environment names the proxies that set it.
    """
    return {
        "BENTOML_HOME": str(settings.state / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "FORWARDED_ALLOW_IPS": os.environ.get("FORWARDED_ALLOW_IPS", ""),
        "ORT_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": str(settings.session_threads),
        "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", str(settings.state / "matplotlib")),
    }
