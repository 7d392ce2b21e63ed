"""One driver a search: the folder of a search is held by the process that runs it."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from barometer.errors import ConflictError, NotFoundError
from training.search.plan import FILE

LOCK = "driver.lock"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a search's folder for the length of the block, or the life of this process.

    Two drivers would run each trial twice, into the same runs and the same checkpoints.

    Raises:
        ConflictError: another driver runs this search.
    """
    with (folder / LOCK).open("w") as file:
        try:
            # The kernel lets go with the process, so a killed search leaves no stale lock.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(
                f"resume: the search in {folder} is running: wait until it has ended, or end it."
            ) from error
        yield


@contextmanager
def newest_unfinished(searches: Path) -> Iterator[Path]:
    """The folder of the newest search that did not finish and that nobody runs, held.

    A finished search leaves no folder.

    Raises:
        NotFoundError: there is none.
        ConflictError: every one that there is runs.
    """
    running = None
    for file in sorted(searches.glob(f"*/{FILE}"), reverse=True):
        with ExitStack() as held:
            try:
                held.enter_context(claimed(file.parent))
            except FileNotFoundError:
                continue
            except ConflictError as error:
                running = running or error
                continue
            if file.exists():  # it has not finished while its lock was opened
                yield file.parent
                return
    if running is not None:
        raise running
    raise NotFoundError(
        f"resume: there is no unfinished search in {searches}; start one without --resume."
    )
