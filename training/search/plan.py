"""What a search was asked to do, kept beside its checkpoints so that it can be resumed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from training.origin import Origin

FILE = "search.json"


@dataclass(frozen=True)
class Request:
    """What `tune` is asked to do."""

    trials: int = 8
    epochs: int = 5
    """Most of a trial."""
    rows: int | None = None
    """Use only the first training rows a task; None: all."""
    scheduler: Literal["asha", "pbt"] = "asha"
    concurrent: int | None = None
    """Trials at a time; None: one a GPU, else one a machine."""
    seed: int = 7
    rdrop: bool = False
    """Search R-Drop's factor too."""


class Plan(BaseModel):
    """One search; `--resume` reads it from the newest folder that is left."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    run_id: str
    """MLflow run of the search, the parent of its trials' runs."""
    trials: int
    epochs: int
    """Most epochs of a trial."""
    scheduler: Literal["asha", "pbt"]
    seed: int
    rdrop: bool
    origin: Origin
    digests: dict[str, str]
    """Fingerprints of both tasks' rows: a resumed search must see the same."""
    cpus: int
    """Of a trial; Ray keeps it with the trials."""
    gpus: float
    concurrent: int

    def write(self, folder: Path) -> None:
        """Keep the plan in the search's folder, which makes it one that can be resumed."""
        (folder / FILE).write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The plan of the search in `folder`."""
        return cls.model_validate_json((folder / FILE).read_text())
