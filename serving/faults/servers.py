"""The servers of a fault test: a Redis and a PostgreSQL of its own, on Unix sockets."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from barometer.redis_server import server_command, socket_path
from barometer.settings import Settings
from serving.faults.processes import TETHER

POSTGRES_FOLDERS: Final = Path("/usr/lib/postgresql")
"""Where Debian installs PostgreSQL's programs, which are not on PATH there."""
USER: Final = "barometer"
POSTGRES_PORT: Final = 5432
"""Names the socket only: the server listens to no network."""
LEAN: Final = {
    "listen_addresses": "",
    "max_connections": "40",
    "shared_buffers": "16MB",
    "max_wal_size": "32MB",
    "min_wal_size": "8MB",
}
"""Settings for a small disk; what concerns durability stays as it comes."""


@dataclass(frozen=True)
class Server:
    """How a server is started, and how it is reached on its socket."""

    name: str
    command: Sequence[str]
    socket: Path
    url: str
    stop_signal: int = signal.SIGTERM


def redis_server(disk: Path) -> Server:
    """The embedded Redis as the product starts it: every write on disk before it is answered."""
    settings = Settings(state_dir=disk)
    socket = socket_path(settings)
    return Server("redis", [*TETHER, *server_command(settings)], socket, f"unix://{socket}")


def postgres_programs() -> Path | None:
    """The folder of initdb and postgres; None where they are not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    installed = sorted(POSTGRES_FOLDERS.glob("*/bin/initdb"))
    return installed[-1].parent if installed else None


def postgres_server(disk: Path) -> Server | None:
    """A fresh PostgreSQL in `disk`; None where its programs are not installed."""
    programs = postgres_programs()
    if programs is None:
        return None
    data, sockets = disk / "postgres", disk / "sockets"
    for folder in (data, sockets):
        folder.mkdir(mode=0o700)
    aside = _aside(data, sockets)
    subprocess.run(  # noqa: S603 - our own command line
        [*aside, str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", USER,
         "--wal-segsize=1", "--no-sync", "--locale=C", "--encoding=UTF8"],
        check=True, stdout=subprocess.DEVNULL, cwd=disk,
    )  # fmt: skip
    options = [word for name, value in LEAN.items() for word in ("-c", f"{name}={value}")]
    command = [str(programs / "postgres"), "-D", str(data), "-k", str(sockets), *options]
    return Server(
        "postgres",
        [*(aside or TETHER), *command],
        sockets / f".s.PGSQL.{POSTGRES_PORT}",
        f"postgresql://{USER}@/postgres?host={sockets}",
        stop_signal=signal.SIGINT,  # "fast": it waits for nobody
    )


def _aside(*folders: Path) -> list[str]:
    """What a command begins with to run as somebody who is not root, which PostgreSQL refuses."""
    if os.geteuid():
        return []
    user = next(user for user in pwd.getpwall() if user.pw_name in ("postgres", "nobody"))
    for folder in folders:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return [
        "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
        "--pdeathsig=QUIT",
    ]  # fmt: skip
