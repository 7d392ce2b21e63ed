"""What is said of texts and keywords."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from barometer.client.contract.analytics import TaskUncertainty
from barometer.client.contract.content import Content

Emotion = Literal["sadness", "joy", "love", "anger", "fear", "surprise"]
Sentiment = Literal["negative", "neutral", "positive"]
Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Percent = Annotated[float, Field(ge=0, le=100)]


class Classified(Content):
    """What was said of one text; null for a task that the model lacks."""

    emotion: Emotion | None = Field(examples=["joy"])
    """The likeliest emotion."""
    confidence: Probability | None = Field(examples=[0.948889])
    """Its calibrated probability, 0 to 1."""
    emotions: dict[Emotion, Probability] | None = Field(
        examples=[{"sadness": 0.002, "joy": 0.949, "love": 0.028, "anger": 0.001, "fear": 0.0}]
    )
    """Every emotion's probability; they sum to 1."""
    sentiment: Sentiment | None = Field(examples=["positive"])
    """The likeliest sentiment."""
    sentiment_confidence: Probability | None = Field(examples=[0.870813])
    """Its calibrated probability, 0 to 1."""
    sentiments: dict[Sentiment, Probability] | None = Field(
        examples=[{"negative": 0.055, "neutral": 0.074, "positive": 0.871}]
    )
    """Every sentiment's probability; they sum to 1."""
    truncated: bool = False
    """Whether the text was longer than the model reads; what is over was not read."""


class Answered(Classified):
    """What was said of one text, and by what."""

    model_used: str = Field(examples=["barometer:1"])
    """Name and version of the model that answered, or `llm:…`, `vader`."""
    fallback_used: bool
    """Whether something else than the local model answered."""


class Prediction(Answered):
    """The answer of `/predict`."""

    processing_time_ms: float = Field(ge=0, examples=[2.765])
    """Milliseconds inside the service."""
    timestamp: datetime
    """When it was answered, UTC."""


class PredictionBatch(Content):
    """The answer of `/predict/batch`."""

    results: list[Answered]
    """One for each text, in the order of the texts."""
    model_used: str = Field(examples=["barometer:1"])
    """Name and version of every model that answered, joined by commas."""
    fallback_used: bool
    """Whether something else than the local model answered one of them."""
    batch_size: Count = Field(examples=[2])
    """How many texts were classified."""
    total_processing_time_ms: float = Field(ge=0, examples=[9.1])
    """Milliseconds inside the service, for all of them."""


class Share(Content):
    """How much of the posts carries a label."""

    label: str = Field(examples=["joy"])
    """An emotion or a sentiment."""
    pct: Percent | None = Field(examples=[27.08])
    """Per cent of the posts that have an answer; null where none has."""
    avg_score: Probability | None = Field(examples=[0.7954])
    """Mean confidence of the posts with this label; null where there are none."""
    corrected_pct: Percent | None = Field(examples=[25.9])
    """Per cent, corrected for the classifier's confusion; null where it cannot be."""
    low_pct: Percent | None = Field(examples=[14.2])
    """Lower bound of its 95 % interval."""
    high_pct: Percent | None = Field(examples=[39.1])
    """Upper bound."""


class Searched(Content):
    """One place that posts were looked for in."""

    source: str = Field(examples=["stored"])
    """`stored`, or a source's name."""
    posts: Count
    """How many it gave."""
    error: str | None
    """Why it gave none; null where it answered."""


class KeptAnalysis(Content):
    """The mood of the newest posts that mentioned a keyword, as it was computed once."""

    keyword: str = Field(examples=["budget"])
    """The keyword, spaces tidied."""
    limit: Count = Field(examples=[250])
    """The most posts that were asked for."""
    count: Count = Field(examples=[48])
    """Posts that were looked at."""
    agg: list[Share]
    """The six emotions."""
    sentiment: list[Share]
    """The three sentiments."""
    searched: list[Searched]
    """Where posts were looked for."""
    time: AwareDatetime
    """When the figures were computed, UTC."""
    model_version: str = Field(examples=["1"])
    """Version of the champion that the analysis began with: it judged what was found now."""
    judged_by: dict[str, Count] = Field(examples=[{"1": 40, "2": 8}])
    """Posts by what judged them: a model's version, which a stored post keeps, or `llm:…`,
    `vader`."""
    fallback_used: bool
    """Whether something else than the local model answered some of the posts."""
    uncertainty: TaskUncertainty
    """How the shares were corrected, and which part of them is uncertain."""
    degraded: bool
    """Whether a part (Redis, the registry, the model) was away."""
    languages: str = Field("all", examples=["en"])
    """The languages whose posts were looked at, joined by commas; `all`: every one."""
    other_languages: dict[str, Count] = Field(default={}, examples=[{"de": 4, "fr": 2}])
    """Newest posts that mention it in other languages, by language: they are in no share."""


class Analysis(KeptAnalysis):
    """The answer of `/analyze`."""

    plot_base64: str | None
    """A pie chart of the emotions as base64 PNG, if one was asked for."""
    source: Literal["inference", "cache"]
    """Whether the figures were computed now or kept from before."""


class AnalysisHistory(Content):
    """The answer of `/analyze/history`."""

    keyword: str = Field(examples=["budget"])
    """The keyword, in lower case."""
    analyses: list[KeptAnalysis]
    """Newest first."""
