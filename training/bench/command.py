"""`barometer bench backends`: what runs a model fastest on this machine, as a table."""

import tempfile
from pathlib import Path

from barometer.console import print_json, print_line, print_table, progress
from barometer.settings import Settings
from training.bench.backends import COLUMNS, Texts, compare, table
from training.bench.contenders import CONTENDERS
from training.data import load_task


def labelled_texts(settings: Settings, rows: int) -> Texts | None:
    """The first validation rows of `EMOTION_DATA`, where that was set; None elsewhere.

    Raises:
        DataError, UnavailableError: the rows that were set cannot be read.
    """
    if "emotion_data" not in settings.model_fields_set:
        return None
    found = load_task("emotion", settings.emotion_data).validation
    return Texts("validation rows of emotion", found.texts[:rows], found.labels[:rows])


def compare_backends(
    settings: Settings,
    folder: Path,
    checkpoint: Path | None,
    given: Texts,
    price: float,
    *,
    as_json: bool,
) -> None:
    """Measure every backend; print the table, and of what is missing in it why.

    Raises:
        ModelError: the checkpoint cannot be used.
    """
    threads = settings.session_threads
    with tempfile.TemporaryDirectory(prefix="barometer-bench-") as scratch:
        chosen = folder
        if checkpoint is not None:
            from training.bench.folder import write_folder

            chosen = Path(scratch) / "folder"
            write_folder(checkpoint, chosen)
        with progress("measuring") as (bar, task):

            def on_step(done: int, name: str) -> None:
                bar.update(task, completed=done, total=len(CONTENDERS), note=name)

            lines = compare(chosen, given, threads, price, on_step)
    name = (checkpoint or folder).resolve().name
    if as_json:
        print_json(
            {
                "model": name,
                "texts": len(given.texts),
                "source": given.source,
                "threads": threads,
                "usd_per_hour": price,
                "backends": lines,
            }
        )
        return
    title = (
        f"{name}: {len(given.texts):,} {given.source}, {threads} thread(s); "
        f"cost at {price:.2f} USD an hour of this machine"
    )
    print_table(title, COLUMNS, table(lines))
    for line in lines:
        if "missing" in line:
            print_line(f"{line['backend']}: not measured: {line['missing']}")
