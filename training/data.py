"""Labelled rows, from the hub or a local folder: checked, and no text in two splits."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from barometer.errors import DataError, UnavailableError
from barometer.labels import TASKS
from barometer.text import fingerprint, model_input

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Rows:
    """Texts as the model reads them, with the index of each one's label in its task."""

    texts: list[str]
    labels: list[int]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class TaskData:
    """One task's three splits; `dropped` training rows also stood in validation or test."""

    task: str
    train: Rows
    validation: Rows
    test: Rows
    dropped: int

    def class_counts(self) -> list[int]:
        """Training rows a class, in label order."""
        counts = Counter(self.train.labels)
        return [counts[label] for label in range(len(TASKS[self.task]))]


def load_task(task: str, where: str, rows: int | None = None) -> TaskData:
    """Load a task's splits from `where`: a hub `name[:configuration]`, or a folder of jsonl files.

    `rows` keeps only the first training rows: a quick look rather than a result.

    Raises:
        DataError: a file, column or split is missing, a split is empty or a label unknown.
        UnavailableError: `where` is a hub name and the hub cannot be reached.
    """
    splits = {split: _checked(task, where, split) for split in SPLITS}
    held_out = {fingerprint(t) for s in ("validation", "test") for t in splits[s].texts}
    pairs = zip(splits["train"].texts, splits["train"].labels, strict=True)
    kept = [(text, label) for text, label in pairs if fingerprint(text) not in held_out]
    train = Rows([text for text, _ in kept[:rows]], [label for _, label in kept[:rows]])
    missing = set(range(len(TASKS[task]))) - set(train.labels)
    if missing:
        names = ", ".join(TASKS[task][label] for label in sorted(missing))
        raise DataError(f"{task} data in {where}: no training row is labelled {names}.")
    return TaskData(
        task,
        train,
        splits["validation"],
        splits["test"],
        dropped=len(splits["train"]) - len(kept),
    )


def _checked(task: str, where: str, split: str) -> Rows:
    table = _read(task, where, split)
    if not {"text", "label"} <= set(table.column_names):
        found = ", ".join(table.column_names)
        raise DataError(f"{where}, {split}: columns text and label are needed, found {found}.")
    if table.num_rows == 0:
        raise DataError(f"{where}: the {split} split is empty.")
    names = TASKS[task]
    labels: list[int] = []
    for index, label in enumerate(table["label"]):
        if not isinstance(label, int) or not 0 <= label < len(names):
            raise DataError(
                f"{where}, {split}, row {index}: label {label!r} is unknown; "
                f"{task} labels are 0 to {len(names) - 1} ({', '.join(names)})."
            )
        labels.append(label)
    return Rows([model_input(str(text)) for text in table["text"]], labels)


def _read(task: str, where: str, split: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
    import datasets  # noqa: PLC0415 - seconds to import, and only the train extra has it

    datasets.disable_progress_bars()
    folder = Path(where)
    try:
        if folder.is_dir():
            file = folder / f"{split}.jsonl"
            if not file.is_file():
                raise DataError(f"{task} data: {folder} holds no {split}.jsonl.")
            return datasets.load_dataset("json", data_files={split: str(file)}, split=split)
        name, _, configuration = where.partition(":")
        return datasets.load_dataset(name, configuration or None, split=split)
    except (datasets.exceptions.DatasetNotFoundError, ConnectionError) as error:
        raise UnavailableError(
            f"{task} data {where!r} is neither a folder nor reachable on the hub: set "
            f"BAROMETER_{task.upper()}_DATA to a folder with train.jsonl, validation.jsonl and "
            'test.jsonl of {"text", "label"} rows.'
        ) from error
    except datasets.exceptions.DatasetGenerationError as error:
        raise DataError(
            f"{task} data in {where}: {split}.jsonl is not valid JSON lines."
        ) from error
