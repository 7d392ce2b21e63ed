"""The views for BI tools say what the posts say, and their documentation names each column."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from statistics import fmean
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, inspect, text

from barometer.database import migrate
from barometer.events import Event, event_row, track, untrack
from barometer.search import link_stored
from barometer.settings import REPOSITORY
from barometer.store import store
from tests.conftest import judgement, post
from tests.servers import NO_POSTGRES

VIEWS = ("bi_emotion_share", "bi_confidence_by_emotion", "bi_keywords_by_day")
HOUR = timedelta(hours=1)
NIGHT = post().created_at.replace(hour=22, minute=10)


@pytest.fixture
def judged(engine: Engine) -> list[Any]:
    """Three hours across midnight, two events, one of which takes in stored posts."""
    track(engine, Event(slug="vote", title="Vote", keywords=("vote", "city vote")))
    said = [
        ("the vote makes me happy", "joy", 0.9),
        ("city vote, again", "anger", 0.6),
        ("city vote, again", "anger", 0.8),
        ("nothing to say", "joy", 0.5),
        ("a vote at last", "joy", 0.7),
    ]
    judged = [
        (post(n, words, source="ab"[n % 2], created_at=NIGHT + n % 3 * HOUR,
              language=("en", None, "de")[n // 2 % 3],
              events=("vote",) if "vote" in words else ()), judgement(emotion, "neutral", sure))
        for n, (words, emotion, sure) in enumerate(said * 4)
    ]  # fmt: skip
    unfelt = judgement().model_copy(update={"emotion": None, "confidence": None, "emotions": None})
    judged.append((post("none", "the vote", events=("vote",), created_at=NIGHT), unfelt))
    store(engine, judged)
    track(engine, Event(slug="city", title="City", keywords=("city", "unheard")))
    link_stored(engine, event_row(engine, "city").id, ("city", "unheard"))
    return judged


def rows(engine: Engine, view: str) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(text(f"SELECT * FROM {view}")).mappings()]  # noqa: S608


def of(judged: list[Any], event: str) -> Iterator[tuple[Any, Any]]:
    for said, answer in judged:
        if event == "all" or event in said.text:
            yield said, answer


def test_shares_and_confidence_are_those_of_the_posts(engine: Engine, judged: list[Any]) -> None:
    expected: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    for event in ("all", "vote", "city"):
        for said, answer in of(judged, event):
            if answer.emotion is not None:
                hour = said.created_at.strftime("%Y-%m-%d %H:00:00")
                expected[event, hour, said.language or "unknown", answer.emotion].append(
                    answer.confidence
                )
    shares = {(r["event"], str(r["hour"])[:19], r["language"], r["emotion"]): r
              for r in rows(engine, "bi_emotion_share")}  # fmt: skip
    sure = {(r["event"], str(r["hour"])[:19], r["language"], r["emotion"]): r
            for r in rows(engine, "bi_confidence_by_emotion")}  # fmt: skip
    assert shares.keys() == sure.keys() == expected.keys()
    felt: Counter[tuple[str, ...]] = Counter()
    for key, confidences in expected.items():
        felt[key[:3]] += len(confidences)
    for key, confidences in expected.items():
        assert shares[key]["posts"] == sure[key]["posts"] == len(confidences)
        assert shares[key]["share"] == pytest.approx(len(confidences) / felt[key[:3]])
        assert sure[key]["confidence"] == pytest.approx(fmean(confidences))


def test_keywords_are_counted_by_day(engine: Engine, judged: list[Any]) -> None:
    expected = Counter(
        (event, str(said.created_at.date()), keyword)
        for event, keywords in (("vote", ("vote", "city vote")), ("city", ("city",)))
        for said, _ in of(judged, event)
        for keyword in keywords
        if keyword in said.text
    )
    found = {(r["event"], str(r["day"]), r["keyword"]): r["posts"]
             for r in rows(engine, "bi_keywords_by_day")}  # fmt: skip
    assert found == dict(expected)


def test_second_delivery_counts_nothing_and_a_forgotten_event_is_gone(
    engine: Engine, judged: list[Any]
) -> None:
    before = {view: rows(engine, view) for view in VIEWS}
    store(engine, judged)
    link_stored(engine, event_row(engine, "city").id, ("city",))
    assert {view: rows(engine, view) for view in VIEWS} == before
    untrack(engine, "vote")
    assert {row["event"] for view in VIEWS for row in rows(engine, view)} == {"all", "city"}


def test_each_column_is_documented(engine: Engine) -> None:
    guide = (REPOSITORY / "docs" / "bi.md").read_text()
    for view in VIEWS:
        [part] = [part for part in guide.split("\n### ") if part.startswith(f"`{view}`")]
        for column in inspect(engine).get_columns(view):
            assert f"| `{column['name']}` |" in part
            if engine.dialect.name == "postgresql":
                assert column["comment"]


def test_role_of_the_guide_reads_the_views_and_nothing_else(postgres_url: str | None) -> None:
    if postgres_url is None:
        pytest.skip(NO_POSTGRES)
    migrate(postgres_url)
    guide = (REPOSITORY / "docs" / "bi.md").read_text()
    [block] = [b for b in guide.split("```sql\n")[1:] if "CREATE ROLE" in b]
    statements = block.split("```")[0].replace("barometer_bi", "barometer_bi_test")
    name = postgres_url.rsplit("/", 1)[1]
    statements = statements.replace("DATABASE barometer", f"DATABASE {name}")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(statements)
        try:
            connection.execute("SET ROLE barometer_bi_test")
            for view in VIEWS:
                connection.execute(f"SELECT COUNT(*) FROM {view}")  # noqa: S608
            for table in ("posts", "events", "hourly_rollups"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"SELECT COUNT(*) FROM {table}")  # noqa: S608
        finally:
            connection.execute("RESET ROLE")
            connection.execute("DROP OWNED BY barometer_bi_test")
            connection.execute("DROP ROLE barometer_bi_test")
