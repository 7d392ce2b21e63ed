"""What is followed, and what people say about it."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from barometer.client.contract.analytics import TaskShares, TaskUncertainty
from barometer.client.contract.content import Content
from barometer.client.contract.mood import Classified, Count, Emotion, Sentiment

Score = Annotated[float, Field(ge=-1, le=1)]


class Refused(Content):
    """A post that was not taken."""

    index: Count
    """Its place in the request, from 0."""
    reason: str = Field(examples=["text: is empty"])
    """What is wrong with it, naming the field."""


class Taken(Content):
    """The answer of `/ingest`."""

    accepted: Count
    """Posts that are in the stream now."""
    duplicates: Count
    """Posts whose source and id were there already. The same text under another id is a repost,
    and accepted."""
    rejected: list[Refused]
    """Posts that cannot be used."""


class TrackedEvent(Content):
    """An event whose mood is followed."""

    slug: str = Field(examples=["harbour-budget"])
    """Its name in addresses."""
    title: str = Field(examples=["Harbour budget"])
    """What people call it."""
    keywords: list[str]
    """A post that contains one of them as whole words belongs to it."""
    sources: list[str] = Field(examples=[["rss"]])
    """The sources that are read for it."""
    created_at: datetime
    """Since when it is tracked, UTC."""
    posts: Count
    """Its posts of the last 24 hours, in any language; right after it was tracked, the stored posts
    that mention it."""
    time: datetime
    """When the posts older than the newest minutes were counted, UTC."""


class EventList(Content):
    """The answer of `GET /events`."""

    events: list[TrackedEvent]
    """Every tracked event, oldest first."""


class TrendPoint(Content):
    """The posts of one step."""

    start: datetime
    """Where the step begins, UTC."""
    posts: Count
    """Posts in it."""
    emotions: dict[Emotion, Count]
    """Posts by emotion."""
    sentiments: dict[Sentiment, Count]
    """Posts by sentiment."""
    sentiment_score: Score | None
    """Mean of P(positive) - P(negative), -1 to 1; null without posts."""
    confidence: float | None
    """Mean calibrated probability of the posts' emotions; null without posts."""
    shares: TaskShares | None = None
    """Corrected shares of the step, where they were asked for."""
    other_languages: dict[str, Count] = Field(default={}, examples=[{"de": 1}])
    """Posts in languages that are not counted, by language."""


class Trend(Content):
    """How the mood moved, by the posts' own time."""

    slug: str
    """The event; `all`: every post."""
    start: datetime
    """Where the first step begins, UTC."""
    end: datetime
    """Where the last step ends, UTC."""
    step_s: int = Field(ge=60)
    """Seconds of a step."""
    posts: Count
    """Posts in the whole window."""
    emotions: dict[Emotion, Count]
    """Posts by emotion."""
    sentiments: dict[Sentiment, Count]
    """Posts by sentiment."""
    sentiment_score: Score | None
    """Mean of P(positive) - P(negative), -1 to 1; null without posts."""
    confidence: float | None
    """Mean calibrated probability of the posts' emotions; null without posts."""
    shares: TaskShares
    """Shares of the whole window, corrected for the classifier's confusion."""
    uncertainty: TaskUncertainty
    """How they were corrected, and which part of them is uncertain."""
    languages: str = Field("all", examples=["en"])
    """The languages whose posts are counted, joined by commas; `all`: every one."""
    other_languages: dict[str, Count] = Field(default={}, examples=[{"de": 8, "fr": 4}])
    """Posts in other languages, by language, most first: no other figure here counts them."""
    points: list[TrendPoint]
    """One for each step, empty ones included."""
    time: datetime
    """When the points older than the newest minutes were counted, UTC."""


class ScoredPost(Classified):
    """A stored post and what was said of it."""

    source: str = Field(examples=["rss"])
    """Where it comes from; with `id` its key."""
    id: str
    """Its name at the source."""
    text: str
    """What was written, unchanged."""
    created_at: datetime
    """When it was written, UTC."""
    location: str | None
    """Where it was written, as the source says."""
    language: str | None = Field(None, examples=["en"])
    """ISO 639 code of its language, as the source says or as detected; null: not known."""
    url: str | None
    """Its address, as the source says."""
    events: list[str]
    """Slugs of the events that it belongs to."""
    reposts: Count = 0
    """Posts of the same text within a day of it: they are counted, and not listed."""
    repost: bool = False
    """Whether it is one of them; only live messages tell of such posts."""
    may_train: bool = True
    """Whether the terms of its source allow a model to learn from it."""
    sentiment_score: Score | None
    """P(positive) - P(negative), -1 to 1."""
    model_version: str
    """Version of the model that said it."""


class PostPage(Content):
    """The answer of `/events/{slug}/posts`."""

    posts: list[ScoredPost]
    """Newest first."""
    next: str | None
    """What `before` takes for the next page; null on the last one."""


class LiveMessage(Content):
    """What `/live` sends; `type` says which of the other fields are there."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["scored", "metrics"])
    """`scored` for a post, `metrics` every two seconds; others may come."""
    post: ScoredPost | None = None
    """With `scored`: the post."""

    @property
    def content(self) -> dict[str, Any]:
        """Every other field, such as a `metrics` message's `posts_per_minute` and `backlog`."""
        return dict(self.model_extra or {})
