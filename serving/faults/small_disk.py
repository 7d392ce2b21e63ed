"""A small file system that can be filled, private to one command and gone with it.

    python -m serving.faults.small_disk FOLDER MEGABYTES COMMAND...

becomes COMMAND, which sees FOLDER as a file system of that size. It takes no rights: who is not
root gets a user namespace of his own, where the system allows one. Where it does not, COMMAND runs
all the same and FOLDER is a plain folder; `os.path.ismount` tells the difference.
"""

import ctypes
import errno
import os
import sys
from pathlib import Path
from typing import Any, Final

CLONE_NEWNS: Final = 0x0002_0000
CLONE_NEWUSER: Final = 0x1000_0000
"""From <sched.h>."""
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x4_0000
"""From <sys/mount.h>."""
PIECE: Final = 1 << 20
FILLER: Final = "filler"


def mount(folder: Path, megabytes: int) -> None:
    """Put a file system of that size over `folder`, for this process and its children.

    Only a process of one thread may do it: a new user namespace takes one.

    Raises:
        OSError: the system does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWNS | (CLONE_NEWUSER if user else 0))
    if user:
        own = Path("/proc/self")
        (own / "setgroups").write_text("deny")
        (own / "uid_map").write_text(f"{user} {user} 1")
        (own / "gid_map").write_text(f"{group} {group} 1")
    _call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)  # nobody else sees what follows
    options = f"size={megabytes}m,mode=0755".encode()
    _call("mount", b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options)


def fill(folder: Path) -> None:
    """Take all the room that is left."""
    with (folder / FILLER).open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(PIECE))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def free(folder: Path) -> None:
    """Give the room back."""
    (folder / FILLER).unlink(missing_ok=True)


def _call(name: str, *values: Any) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*values):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def main() -> None:
    """Mount, then become the command."""
    folder, megabytes, *command = sys.argv[1:]
    try:
        mount(Path(folder), int(megabytes))
    except (OSError, AttributeError) as error:  # AttributeError: no Linux
        sys.stderr.write(f"no small file system can be mounted here ({error})\n")
    os.execv(command[0], command)  # noqa: S606 - our own command line, no shell


if __name__ == "__main__":
    main()
