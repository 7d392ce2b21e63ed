"""The folder that a command is asked to write a model to."""

from pathlib import Path

from barometer.errors import InputError
from inference.model_folder import FILES


def check_target(target: Path) -> None:
    """Refuse to replace anything but a model folder: it would be gone, after an hour's work.

    Raises:
        InputError: `target` is something else.
    """
    if not target.name or target.name == "..":
        raise InputError(f"target: {target} is no name for a new folder.", "target")
    if target.exists() and not all((target / name).is_file() for name in FILES):
        raise InputError(f"target: {target} exists and is no model folder; name another.", "target")
