"""The domain: a post as it comes, and what the model says of it."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

MAX_TEXT = 20_000
"""Characters of a post's text; a longer one is refused at the door."""

Key = tuple[str, str]
"""A post's (source, id)."""


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside the calendar") from error


class Post(BaseModel):
    """One public utterance. (source, id) is its key; it may belong to several events."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str = Field(min_length=1, max_length=64)
    id: str = Field(min_length=1, max_length=256)
    text: str = Field(min_length=1, max_length=MAX_TEXT)
    created_at: Annotated[AwareDatetime, AfterValidator(_utc)]
    author: str | None = Field(None, max_length=256)
    location: str | None = Field(None, max_length=256)
    url: str | None = Field(None, max_length=2048)
    metadata: dict[str, Any] = Field(default_factory=dict)
    events: tuple[str, ...] = ()
    """Slugs of the events that it belongs to."""
    language: str | None = Field(None, max_length=16)
    """ISO 639 code of the text's language, where it is known."""
    may_train: bool = True
    """Whether its source's terms allow a model to learn from it."""
    showing: int = 0
    """Which pass of a looping replay it belongs to: a text repeats only within its pass."""

    @property
    def key(self) -> Key:
        """Source and id: a second delivery has the same."""
        return self.source, self.id


class Judgement(BaseModel):
    """What one model version says of one text; None for a task that the model lacks."""

    model_config = ConfigDict(frozen=True)

    emotion: str | None
    confidence: float | None
    emotions: dict[str, float] | None
    sentiment: str | None
    sentiment_confidence: float | None
    sentiments: dict[str, float] | None
    model_version: str

    @property
    def sentiment_score(self) -> float | None:
        """P(positive) - P(negative), in [-1, 1]."""
        if self.sentiments is None:
            return None
        return self.sentiments["positive"] - self.sentiments["negative"]
