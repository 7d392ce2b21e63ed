"""Names that callers may give for a model to bring in: of the hub, or of a folder set apart."""

import re
from pathlib import Path
from typing import Final

from barometer.errors import InputError
from barometer.settings import Settings

NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
HUB: Final = re.compile(rf"{NAME}/{NAME}")
FOLDER: Final = re.compile(NAME)


def find_source(settings: Settings, source: str) -> str:
    """What `bring_in` is to read: a hub name `owner/name`, or the folder of that bare name.

    An address or a path is neither, so that no caller can point the service at a server or a file
    of his choice.

    Raises:
        InputError: it is neither, or there is no such folder.
    """
    if HUB.fullmatch(source):
        if Path(source).exists():  # the libraries would read this folder, not the hub
            raise InputError(f"source: {source} is a folder of this process, not a name.", "source")
        return source
    if not FOLDER.fullmatch(source):
        raise InputError(
            "source: must be a hub name, owner/name, or a folder's name in BAROMETER_IMPORT_DIR.",
            "source",
        )
    folder = (settings.imports / source).resolve()
    if folder.parent != settings.imports.resolve() or not (folder / "config.json").is_file():
        raise InputError(
            f"source: BAROMETER_IMPORT_DIR holds no folder {source!r} with a config.json.", "source"
        )
    return str(folder)
