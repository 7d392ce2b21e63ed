"""The live window, and the reference that it is compared with, as tables of the model's answers."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from sqlalchemy import Engine, func, select

from barometer.errors import ModelError
from barometer.languages import EVERY, UNKNOWN, Languages
from barometer.tables import PostRow
from barometer.text import model_input
from monitoring.columns import COLUMNS

MOST_POSTS = 5_000


@dataclass(frozen=True)
class Window:
    """What the model said of the newest posts: a row a post, `COLUMNS`.

    The columns of a task that the model lacks are empty.
    """

    table: pd.DataFrame
    start: datetime
    end: datetime
    model_version: str
    others: dict[str, int]
    """How many posts of this time are left out for their language, by language."""


def live_window(engine: Engine, hours: float, languages: Languages = EVERY) -> Window:
    """The newest posts of the last `hours`, at most `MOST_POSTS`, in one model version's words.

    Posts in other languages than `languages` are left out: they differ from the reference anyway.
    Only posts of the newest version count: a new model answers differently without any drift.
    """
    end = datetime.now(UTC)
    start = end - timedelta(hours=hours)
    then = (PostRow.created_at >= start, PostRow.created_at <= end)
    statement = (
        select(
            PostRow.created_at,
            PostRow.emotion,
            PostRow.sentiment,
            PostRow.confidence,
            PostRow.sentiment_score,
            PostRow.text,
            PostRow.model_version,
        )
        .where(*then, languages.among(PostRow.language))
        .order_by(PostRow.created_at.desc())
        .limit(MOST_POSTS)
    )
    by_language = select(PostRow.language, func.count()).where(*then).group_by(PostRow.language)
    with engine.connect() as connection:
        rows = connection.execute(statement).all()
        counts = connection.execute(by_language).all()
    version = rows[0].model_version if rows else ""
    rows = [row for row in rows if row.model_version == version]
    table = pd.DataFrame(
        {
            "emotion": [row.emotion for row in rows],
            "sentiment": [row.sentiment for row in rows],
            "confidence": [row.confidence for row in rows],
            "sentiment_score": [row.sentiment_score for row in rows],
            "length": [float(len(model_input(row.text))) for row in rows],
        }
    )
    others = {name or UNKNOWN: posts for name, posts in counts if not languages.have(name)}
    first = min((row.created_at for row in rows), default=start)
    return Window(table, first, end, version, others)


def validation_reference(model_folder: Path) -> pd.DataFrame:
    """The champion's answers on its validation rows, which travel in its model folder.

    The columns of a task that it lacks are empty.

    Raises:
        ModelError: the folder carries none.
    """
    file = model_folder / "reference.csv"
    if not file.is_file():
        raise ModelError(f"{model_folder} lacks reference.csv: export the model again.")
    return pd.read_csv(file)[list(COLUMNS)]
