"""The tables. Migrations under `migrations/` create them; this module only describes them."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

Words = Text().with_variant(TSVECTOR(), "postgresql")
"""`barometer.words.indexed` of a text; SQLite's index of them is the table `post_words`."""

BY_KEY = {"sqlite_with_rowid": False}
"""SQLite keeps the rows in their key's order: a range of it is read without looking rows up."""


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC times in and out; SQLite itself would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; a naive time is a programming error."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database's UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can drop it on any database."""

    __table__: ClassVar[Table]
    """What statements without the ORM name; no class here is mapped to anything else."""
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _partial(name: str, condition: str, *columns: str) -> Index:
    """An index of the rows that meet a condition, which both databases know."""
    return Index(name, *columns, sqlite_where=text(condition), postgresql_where=text(condition))


class EventRow(Base):
    """A tracked event: what people say about it is collected and shown."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    keywords: Mapped[list[str]] = mapped_column(Json)
    sources: Mapped[list[str]] = mapped_column(Json)
    """Names of the sources that the ingest flow reads for it."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class PostRow(Base):
    """A classified post; (source, external_id) makes a second delivery harmless.

    The answers of a task that the model lacks are null. A post that repeats the text of another is
    a row like any other, and counted; feeds and training leave it out by `repost_of`.
    """

    __tablename__ = "posts"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        Index("ix_posts_created_at", "created_at"),
        Index("ix_posts_emotion_created_at", "emotion", "created_at"),
        _partial("ix_posts_text_hash_created_at", "repost_of IS NULL", "text_hash", "created_at"),
        _partial("ix_posts_repost_of", "repost_of IS NOT NULL", "repost_of"),
        Index("ix_posts_words", "words", postgresql_using="gin").ddl_if(dialect="postgresql"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    source: Mapped[str] = mapped_column(String(64))
    external_id: Mapped[str] = mapped_column(String(256))
    text: Mapped[str] = mapped_column(Text)
    author: Mapped[str | None] = mapped_column(String(256))
    location: Mapped[str | None] = mapped_column(String(256))
    url: Mapped[str | None] = mapped_column(String(2048))
    details: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    scored_at: Mapped[datetime] = mapped_column(UtcTime)
    emotion: Mapped[str | None] = mapped_column(String(16))
    confidence: Mapped[float | None] = mapped_column(Float)
    emotions: Mapped[dict[str, float] | None] = mapped_column(Json)
    sentiment: Mapped[str | None] = mapped_column(String(16))
    sentiment_confidence: Mapped[float | None] = mapped_column(Float)
    sentiments: Mapped[dict[str, float] | None] = mapped_column(Json)
    sentiment_score: Mapped[float | None] = mapped_column(Float)
    model_version: Mapped[str] = mapped_column(String(64))
    text_hash: Mapped[int | None] = mapped_column(BigInteger)
    """What reposts have in common, by `barometer.reposts`; null for a text without words."""
    repost_of: Mapped[int | None] = mapped_column(ForeignKey("posts.id", ondelete="SET NULL"))
    """The first post of its text within a day; null if it is the first itself."""
    language: Mapped[str | None] = mapped_column(String(16))
    """ISO 639 code of the text's language; null where it is not known."""
    may_train: Mapped[bool] = mapped_column(server_default=true())
    """Whether its source's terms allow a model to learn from it."""
    words: Mapped[str] = mapped_column(Words, server_default="", deferred=True)


class PostEventRow(Base):
    """Which events a post belongs to; what is repeated here lets one index serve a feed."""

    __tablename__ = "post_events"
    __table_args__ = (
        Index("ix_post_events_event_id_created_at", "event_id", "created_at"),
        Index("ix_post_events_event_id_emotion_created_at", "event_id", "emotion", "created_at"),
        _partial(
            "ix_post_events_repost_of_event_id",
            "repost_of IS NOT NULL",
            "repost_of",
            "event_id",
        ),
        BY_KEY,
    )

    event_id: Mapped[int] = mapped_column(
        ForeignKey("events.id", ondelete="CASCADE"), primary_key=True
    )
    post_id: Mapped[int] = mapped_column(
        ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    emotion: Mapped[str | None] = mapped_column(String(16))
    repost_of: Mapped[int | None] = mapped_column(ForeignKey("posts.id", ondelete="SET NULL"))
    """The post's `repost_of`, if that belongs to the event too: else this is the event's first."""


class Counts:
    """What both tables of rollups count, by event, source, language and answers.

    `event_id` 0 counts every post. Emotion or sentiment is "" where the model gave none, the
    language where it is not known: a key's column holds no null. The sums are over the posts that
    have an answer.
    """

    event_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, sort_order=-1)
    source: Mapped[str] = mapped_column(String(64), primary_key=True, sort_order=1)
    emotion: Mapped[str] = mapped_column(String(16), primary_key=True, sort_order=1)
    sentiment: Mapped[str] = mapped_column(String(16), primary_key=True, sort_order=1)
    language: Mapped[str] = mapped_column(
        String(16), primary_key=True, server_default="", sort_order=1
    )
    posts: Mapped[int] = mapped_column(sort_order=1)
    confidence_sum: Mapped[float] = mapped_column(sort_order=1)
    sentiment_sum: Mapped[float] = mapped_column(sort_order=1)


class RollupRow(Counts, Base):
    """Posts a minute."""

    __tablename__ = "rollups"
    __table_args__ = (BY_KEY,)

    minute: Mapped[datetime] = mapped_column(UtcTime, primary_key=True)


class HourlyRollupRow(Counts, Base):
    """The same by hour: what long windows and the views for BI tools read. Kept for ever."""

    __tablename__ = "hourly_rollups"
    __table_args__ = (Index("ix_hourly_rollups_hour", "hour"), BY_KEY)

    hour: Mapped[datetime] = mapped_column(UtcTime, primary_key=True)


class KeywordDayRow(Base):
    """An event's posts of a day (UTC) that mention one of its keywords, counted as they came."""

    __tablename__ = "keyword_days"
    __table_args__ = (BY_KEY,)

    event_id: Mapped[int] = mapped_column(
        ForeignKey("events.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    keyword: Mapped[str] = mapped_column(String(100), primary_key=True)
    posts: Mapped[int] = mapped_column(Integer)


class SourceStateRow(Base):
    """Where a source stands for one key (a feed, a keyword), and how its last reading went."""

    __tablename__ = "source_states"

    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(512), primary_key=True)
    position: Mapped[dict[str, Any]] = mapped_column(Json)
    """What the source needs to go on: entity tags, cursors, ids. Saved after the stream took it."""
    posts: Mapped[int] = mapped_column(Integer)
    last_ok_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_error: Mapped[str | None] = mapped_column(Text)
    limited_until: Mapped[datetime | None] = mapped_column(UtcTime)
    """When it may be asked again, after it or its allowance said so."""
    last_post_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When the newest of its posts was written."""
    day: Mapped[date | None] = mapped_column(Date)
    """The day (UTC) that `posts_of_day` counts."""
    posts_of_day: Mapped[int] = mapped_column(Integer, server_default="0")
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class AllowanceRow(Base):
    """What was asked of a provider lately, so that all processes together keep to its limit."""

    __tablename__ = "allowances"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    taken: Mapped[list[list[float]]] = mapped_column(Json)
    """Pairs of Unix time and cost, oldest first, of those that still count."""


class ForgottenAuthorRow(Base):
    """An author whose posts are not to be kept. There are marks only, by `barometer.authors`."""

    __tablename__ = "forgotten_authors"

    mark: Mapped[str] = mapped_column(String(32), primary_key=True)
    """What the author's posts carry at one source, or would at any."""
    person: Mapped[str] = mapped_column(String(32))
    """The mark that all marks of one name have in common."""
    forgotten_at: Mapped[datetime] = mapped_column(UtcTime)


class DriftReportRow(Base):
    """One drift report; its HTML and JSON lie in the state folder under `name`."""

    __tablename__ = "drift_reports"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    window_start: Mapped[datetime] = mapped_column(UtcTime)
    window_end: Mapped[datetime] = mapped_column(UtcTime)
    posts: Mapped[int] = mapped_column(Integer)
    model_version: Mapped[str] = mapped_column(String(64))
    reference: Mapped[str] = mapped_column(String(64))
    drifted: Mapped[bool] = mapped_column()
    columns: Mapped[dict[str, Any]] = mapped_column(Json)
    """A column's test, score, threshold and whether it drifted."""
    languages: Mapped[str] = mapped_column(String(200), server_default="all")
    """Those of the posts that were compared, joined by commas."""
    other_languages: Mapped[dict[str, int]] = mapped_column(Json, server_default="{}")
    """Posts of the window that were left out, by language."""


class AnalysisRow(Base):
    """An answer of `/analyze` that was computed; its key makes a second writing harmless.

    The key's order is that of a keyword's history: one index serves both.
    """

    __tablename__ = "analyses"

    keyword: Mapped[str] = mapped_column(String(200), primary_key=True)
    """Tidied and in lower case, as the cache tells questions apart; this may double its length."""
    time: Mapped[datetime] = mapped_column(UtcTime, primary_key=True)
    post_limit: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    count: Mapped[int] = mapped_column(Integer)
    agg: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    sentiment: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    uncertainty: Mapped[dict[str, Any]] = mapped_column(Json)
    searched: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    model_version: Mapped[str] = mapped_column(String(64))
    judged_by: Mapped[dict[str, int]] = mapped_column(Json)
    fallback_used: Mapped[bool] = mapped_column()
    degraded: Mapped[bool] = mapped_column()
    languages: Mapped[str] = mapped_column(String(200), server_default="all")
    """Which were counted, joined by commas."""
    other_languages: Mapped[dict[str, int]] = mapped_column(Json, server_default="{}")
    """Posts that were not, by language."""


def described(dialect: str) -> Callable[..., bool]:
    """For Alembic: what of a database of this kind the tables above describe.

    The views for BI tools, SQLite's index of words and its triggers are the migrations' alone.
    """

    def include(_thing: Any, name: str | None, _kind: str, _found: bool, _other: Any) -> bool:  # noqa: FBT001
        if dialect == "postgresql":
            return True
        return name != "ix_posts_words" and not str(name).startswith("post_words")

    return include
