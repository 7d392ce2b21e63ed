"""A file that appears, or takes the place of an older one, once it is whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from barometer.errors import StorageError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write what becomes `path` at the end of the block; nothing, if the block fails.

    Raises:
        StorageError: the file cannot be written.
    """
    part = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror or error}): name a file in a folder that "
            "exists, with room for it."
        ) from error
    finally:
        part.unlink(missing_ok=True)
