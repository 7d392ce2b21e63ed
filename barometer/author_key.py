"""The key of the hashes that stand for authors' names: of the settings, or made once."""

import fcntl
import os
import secrets
from hashlib import blake2b
from pathlib import Path
from typing import Final

from barometer.errors import SettingsError
from barometer.settings import Settings

FILE: Final = "author.key"
SHORTEST: Final = 16
"""Characters: with a shorter key, guessing it is cheaper than guessing names."""


def author_key(settings: Settings) -> bytes:
    """64 bytes made of `AUTHOR_KEY`, or of the key in the state folder, which is made if need be.

    Raises:
        SettingsError: the key is too short, or its file cannot be read.
    """
    given = settings.author_key.get_secret_value()
    if given:
        return _stretched(given, "BAROMETER_AUTHOR_KEY")
    file = settings.state / FILE
    if not file.exists():
        _make(file)
    try:
        kept = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{file} cannot be read: give this user the right to, or set BAROMETER_AUTHOR_KEY."
        ) from error
    return _stretched(kept, str(file))


def _stretched(key: str, place: str) -> bytes:
    if len(key) < SHORTEST:
        raise SettingsError(
            f"{place} is too short: give at least {SHORTEST} characters that nobody can guess."
        )
    return blake2b(key.encode()).digest()


def _make(file: Path) -> None:
    """Write a new key that only this user may read; of several processes one does."""
    with file.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if file.exists():
            return
        part = file.with_suffix(".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            output.write(secrets.token_hex(32) + "\n")
            output.flush()
            os.fsync(output.fileno())
        part.replace(file)
