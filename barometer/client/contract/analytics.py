"""What `/events/compare`, `/analytics` and `/explain` answer."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from barometer.client.contract.content import Content

Task = Literal["emotion", "sentiment"]
By = Literal["event", "location", "source", "language"]
LANGUAGES = "languages whose posts are counted, joined by commas; all: every one"
OTHERS = "posts in languages that are not counted, by language, most first"


class ShareLine(Content):
    """One label's share of the posts that have an answer, in per cent; null where none has."""

    label: str
    posts: int = Field(description="as classified")
    pct: float | None = Field(description="as classified")
    corrected_pct: float | None = Field(description="corrected for the classifier's confusion")
    low_pct: float | None = Field(description="lower bound of its 95 % interval")
    high_pct: float | None = Field(description="upper bound")


class Uncertainty(Content):
    """How the shares were corrected, and which part is uncertain."""

    method: str | None = Field(description="null: not corrected, `note` says why")
    note: str
    posts: int = Field(description="posts with an answer")
    model_versions: list[str] = Field(description="versions whose confusion was used")
    borrowed_posts: int = Field(
        description="posts of versions that are not loaded, corrected by the champion's confusion"
    )
    uncorrected_posts: int = Field(description="posts counted as they are")
    from_few_posts_pct: float | None = Field(
        description="part of the variance that comes from which posts were seen"
    )
    from_the_classifier_pct: float | None = Field(
        description="part that comes from what is not known of the classifier's confusion"
    )
    uncertain_pct: float | None = Field(
        description="posts expected to carry a wrong label: what their mean calibrated confidence "
        "lacks to 100; null where it is not stored"
    )


class TaskShares(Content):
    """The labels of both tasks."""

    emotion: list[ShareLine]
    sentiment: list[ShareLine]


class TaskUncertainty(Content):
    """Both tasks."""

    emotion: Uncertainty
    sentiment: Uncertainty


class Score(Content):
    """Mean of P(positive) - P(negative), in [-1, 1], with its 95 % interval."""

    mean: float
    low: float | None = Field(description="null for a single post")
    high: float | None
    posts: int


class ComparisonLine(Content):
    """One group of posts."""

    event: str
    group: str | None = Field(
        description="source, place or language; null where lines are events, or none"
    )
    posts: int
    other_languages: dict[str, int] = Field(
        default={}, description=OTHERS, examples=[{"de": 8, "fr": 4}]
    )
    shares: TaskShares
    uncertainty: TaskUncertainty
    sentiment_score: Score | None


class Difference(Content):
    """One label's share in one line, less that in all other lines together."""

    event: str
    group: str | None
    task: Task
    label: str
    points: float = Field(description="percentage points")
    p_value: float = Field(description="two-sided, after Holm")
    corrected: bool = Field(description="false: of the shares as classified")
    beyond_chance: bool = Field(description="p below 0.05")


class Comparison(Content):
    """Groups of posts side by side."""

    by: By
    start: datetime
    end: datetime
    lines: list[ComparisonLine] = Field(description="most posts first")
    differences: list[Difference] = Field(
        description="the surest first; a label is not tested where fewer than 5 posts are "
        "expected to have it, and of two groups only the first is"
    )
    test: str
    languages: str = Field("all", description=LANGUAGES, examples=["en"])
    empty: list[str] = Field(description="events without counted posts in the window")
    omitted_groups: int = Field(description="groups beyond the first 20")
    time: datetime = Field(description="when they were counted, UTC")


class Hour(Content):
    """One hour."""

    start: datetime
    posts: int
    sentiment_score: float | None


class SourceFigures(Content):
    """One source."""

    source: str
    posts: int
    sentiment_score: float | None


class LanguageFigures(Content):
    """One language."""

    language: str | None = Field(description="ISO 639 code; null: not known", examples=["en"])
    posts: int
    sentiment_score: float | None


class EventFigures(Content):
    """One tracked event."""

    slug: str
    title: str
    posts: int
    sentiment_score: float | None


class KeywordFigures(Content):
    """One tracked keyword."""

    keyword: str
    posts: int


class Analytics(Content):
    """The whole system's figures over some hours."""

    start: datetime
    end: datetime
    posts: int
    sentiment_score: float | None
    confidence: float | None = Field(description="mean calibrated probability of the emotions")
    shares: TaskShares
    uncertainty: TaskUncertainty
    hours: list[Hour] = Field(description="oldest first, empty ones included")
    sources: list[SourceFigures] = Field(description="the 20 busiest")
    events: list[EventFigures] = Field(description="the 20 busiest")
    languages: str = Field("all", description=LANGUAGES, examples=["en"])
    other_languages: dict[str, int] = Field(
        default={}, description=OTHERS, examples=[{"de": 8, "fr": 4}]
    )
    by_language: list[LanguageFigures] = Field(
        default=[], description="every post, counted or not, most first"
    )
    keywords: list[KeywordFigures] = Field(description="the 20 most mentioned tracked keywords")
    keywords_among_posts: int = Field(description="newest posts in which keywords were counted")
    time: datetime = Field(description="when they were counted, UTC")


class Label(Content):
    """The answer of one task."""

    label: str
    confidence: float


class Word(Content):
    """One word's effect: what the label's probability falls by without it."""

    word: str
    emotion: float | None
    sentiment: float | None


class Explanation(Content):
    """Which words drove an answer."""

    emotion: Label | None
    sentiment: Label | None
    words: list[Word] = Field(description="in the text's order, the first 64")
    words_left: int = Field(description="words beyond those, not explained")
    truncated: bool = Field(description="the text is longer than the model reads")
    method: str
    model_used: str
