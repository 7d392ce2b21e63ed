"""What callers may send, with bounds; a violation names its field."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from barometer.errors import InputError
from barometer.posts import MAX_TEXT
from ingestion.cleaning import check_text
from serving.languages_asked import ABOUT, Asked

MAX_TEXTS = 1_000
"""Texts of a batch and posts of an ingest call."""
MODEL = "an alias or a version; null: the champion, and a canary for its share of the texts"


def _readable(text: str) -> str:
    try:
        check_text(text)
    except InputError as error:
        raise ValueError(str(error).removeprefix("text: ")) from error
    return text


Readable = Annotated[
    StrictStr,
    AfterValidator(_readable),
    Field(json_schema_extra={"minLength": 1, "maxLength": MAX_TEXT}),
]
Short = Annotated[StrictStr, Field(min_length=1, max_length=100), AfterValidator(_readable)]


class Body(BaseModel):
    """A request body; a field that it does not name is refused, since it is likely a typo."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Predict(Body):
    """One text to classify."""

    text: Readable = Field(
        description=f"1 to {MAX_TEXT:,} characters", examples=["i feel so happy today"]
    )
    model: StrictStr | None = Field(None, description=MODEL)


class PredictBatch(Body):
    """Texts to classify together."""

    texts: list[Readable] = Field(
        min_length=1, max_length=MAX_TEXTS, examples=[["i feel so happy today", "i am furious"]]
    )
    model: StrictStr | None = Field(None, description=MODEL)


class Analyze(Body):
    """A keyword whose mood is asked for."""

    keyword: Short = Field(examples=["budget"])
    limit: StrictInt = Field(250, ge=1, le=500, description="newest posts to look at")
    return_plot: StrictBool = Field(default=False, description="add a pie chart as base64 PNG")
    languages: Asked | None = Field(None, description=ABOUT)


class Ingest(Body):
    """Posts from a program; each is checked on its own: a bad one refuses only itself."""

    source: StrictStr = Field(
        min_length=1, max_length=64, pattern=r"^[\w.-]+$", examples=["form"],
        description="who sends them; with each post's `id` its key",
    )  # fmt: skip
    posts: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=MAX_TEXTS,
        description="each with `id`, `text`, `created_at` (ISO 8601 with its zone), and perhaps "
        "`author`, `location`, `language` (ISO 639; detected if left out) and `metadata`; what "
        "cannot be used is answered under `rejected`",
        examples=[[{"id": "1", "text": "I love it", "created_at": "2026-11-21T05:20:00Z"}]],
    )


class NewEvent(Body):
    """An event to track."""

    title: Annotated[StrictStr, Field(min_length=1, max_length=200), AfterValidator(_readable)] = (
        Field(description="what people call it", examples=["Harbour budget"])
    )
    keywords: list[Short] = Field(default=[], max_length=20, description="the title if empty")
    slug: StrictStr | None = Field(
        None,
        pattern=r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
        description="its name in addresses; made from the title if null",
    )
    sources: list[StrictStr] = Field(
        default=["rss"], max_length=20, description="what is read for it; GET /sources lists them"
    )
