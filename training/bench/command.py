"""`barometer bench backends`: what runs a model fastest on this machine, as a table."""

import tempfile
from pathlib import Path

from barometer.console import print_json, print_line, print_table, progress
from barometer.labels import EMOTIONS
from barometer.settings import Settings
from training.bench.backends import COLUMNS, Texts, compare, table
from training.bench.complete import complete
from training.bench.contenders import CONTENDERS, SERVED
from training.data import load_task
from training.study.behaviour_checks import plainly


def validation_rows(settings: Settings, rows: int) -> Texts | None:
    """The first validation rows of `EMOTION_DATA`, where that was set; None elsewhere.

    Raises:
        DataError, UnavailableError: the rows that were set cannot be read.
    """
    if "emotion_data" not in settings.model_fields_set:
        return None
    found = load_task("emotion", settings.emotion_data).validation
    return Texts("validation rows of emotion", found.texts[:rows], found.labels[:rows])


def plain_sentences() -> Texts:
    """The sentences of the behavioural tests whose emotion no reader mistakes."""
    pairs = [(text, number) for number, name in enumerate(EMOTIONS) for text in plainly(name)]
    texts, labels = zip(*pairs, strict=True)
    return Texts("plain sentences of the behavioural tests", list(texts), list(labels))


def compare_backends(
    settings: Settings,
    folder: Path,
    checkpoint: Path | None,
    posts: Texts,
    price: float,
    *,
    as_json: bool,
) -> None:
    """Measure every backend; print the table, and of what is missing in it why.

    Args:
        settings: the threads.
        folder: the model folder to measure; what a backend lacks in it is restored, if it can be.
        checkpoint: measure this instead, in PyTorch and exported; None: `folder`.
        posts: what is classified. Without labels, the accuracy is of plain sentences.
        price: what an hour of this machine costs, in US dollars.
        as_json: for machines.

    Raises:
        ModelError: the checkpoint cannot be used.
    """
    threads = settings.session_threads
    labelled = posts if posts.labels else plain_sentences()
    with (
        tempfile.TemporaryDirectory(prefix="barometer-bench-") as scratch,
        progress("measuring") as (bar, task),
    ):
        chosen = Path(scratch) / "folder"
        notes = _prepare(folder, checkpoint, chosen)

        def on_step(done: int, name: str) -> None:
            bar.update(task, completed=done, total=len(CONTENDERS), note=name)

        lines = compare(chosen, posts, labelled, threads, price, on_step)
    name = (checkpoint or folder).resolve().name
    if as_json:
        print_json(
            {
                "model": name,
                "texts": len(posts.texts),
                "source": posts.source,
                "accuracy_of": {"texts": len(labelled.texts), "source": labelled.source},
                "threads": threads,
                "usd_per_hour": price,
                "notes": notes,
                "backends": lines,
            }
        )
        return
    title = (
        f"{name}: {len(posts.texts):,} {posts.source}, {threads} thread(s); "
        f"cost at {price:.2f} USD an hour of this machine"
    )
    print_table(title, COLUMNS, table(lines))
    for line in lines:
        if "missing" in line:
            print_line(f"{line['backend']}: not measured: {line['missing']}")
    print_line(f"accuracy: of the emotion of {len(labelled.texts):,} {labelled.source}.")
    print_line(f"agrees: texts with the labels that {SERVED} gives them.")
    for note in notes:
        print_line(note)


def _prepare(folder: Path, checkpoint: Path | None, target: Path) -> list[str]:
    """Write what every backend needs to `target`; what a reader must know of it."""
    if checkpoint is None:
        return complete(folder, target)
    from training.bench.folder import write_folder

    write_folder(checkpoint, target)
    return []
