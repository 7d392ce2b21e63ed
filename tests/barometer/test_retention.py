"""Old posts go, a few hundred at a time; hourly figures stay."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select

from barometer import retention
from barometer.analyses import history, write
from barometer.events import Event, event_row, track
from barometer.feed import newest_posts
from barometer.overview import by_hour
from barometer.retention import Old, count_old, prune
from barometer.store import store
from barometer.tables import HourlyRollupRow, PostEventRow, PostRow, RollupRow
from barometer.trends import totals
from tests.barometer.kept import kept
from tests.conftest import judgement, post, posts_mentioning

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def vote(engine: Engine) -> int:
    """An event with 40 days of posts, one a day; every second day's repeat a text."""
    track(engine, Event(slug="vote", title="Vote", keywords=("vote",)))
    store(engine, [
        (post(n, f"the vote of day {n}", events=("vote",), created_at=NOW - n * DAY), judgement())
        for n in range(40)
    ])  # fmt: skip
    return event_row(engine, "vote").id


def rows(engine: Engine, table: type) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def test_what_is_older_goes_with_its_links_and_words(
    engine: Engine, vote: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 4)
    old = count_old(engine, 30 * DAY, NOW)
    assert old == Old(posts=9, minute_rollups=18)  # each day's post counts for its event and all
    assert rows(engine, PostRow) == 40
    deleted = list(prune(engine, 30 * DAY, NOW))
    assert [batch.posts for batch in deleted if batch.posts] == [4, 4, 1]
    assert sum(batch.minute_rollups for batch in deleted) == 18
    assert (rows(engine, PostRow), rows(engine, PostEventRow), rows(engine, RollupRow)) == (
        31, 31, 62,
    )  # fmt: skip
    assert len(posts_mentioning(engine, "vote", 100)) == 31
    assert posts_mentioning(engine, "35", 10) == []
    assert min(row.created_at for row in newest_posts(engine, 100)) == NOW - 30 * DAY
    assert rows(engine, HourlyRollupRow) == 80
    assert sum(hour["posts"] for hour in by_hour(engine, NOW - 50 * DAY, 51 * 24)) == 40
    assert count_old(engine, 30 * DAY, NOW) == Old(0, 0)
    assert list(prune(engine, 30 * DAY, NOW)) == []


def test_counts_that_charts_still_show_stay(engine: Engine, vote: int) -> None:
    for _ in prune(engine, 2 * DAY, NOW):
        pass
    assert rows(engine, PostRow) == 3
    assert totals(engine, [vote], NOW - 14 * DAY) == {vote: 15}
    assert rows(engine, RollupRow) == 2 * 16


def test_analyses_go_with_the_posts_of_their_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    write(engine, [kept(word, NOW - n * DAY) for word in ("ferry", "metro") for n in range(8)])
    assert count_old(engine, 3 * DAY, NOW) == Old(analyses=8)
    assert [batch.analyses for batch in prune(engine, 3 * DAY, NOW)] == [3, 3, 2]
    for word in ("ferry", "metro"):
        left = [each["time"] for each in history(engine, word, NOW - 99 * DAY, 99)]
        assert left == [NOW - n * DAY for n in range(4)]
    assert list(prune(engine, 3 * DAY, NOW)) == []


def test_repost_outlives_the_post_that_it_repeats(engine: Engine) -> None:
    for n, age in enumerate((2.5 * DAY, 1.6 * DAY)):
        store(engine, [(post(n, "fire at the harbour", created_at=NOW - age), judgement())])
    assert [row.external_id for row in newest_posts(engine, 9)] == ["0"]
    for _ in prune(engine, 2 * DAY, NOW):
        pass
    assert [row.external_id for row in newest_posts(engine, 9)] == ["1"]


def test_pruning_and_storing_at_once_fail_neither(engine: Engine) -> None:
    """A repost that is stored while the post that it repeats is deleted."""
    first, again = NOW - 2 * DAY, NOW - DAY - timedelta(hours=1)

    def repeat(turn: int) -> None:
        for n in range(10):
            words = f"fire in street {'abcdefghij'[turn]}"
            store(engine, [(post(f"{turn}-{n}", words, created_at=again), judgement())])

    for turn in range(10):
        words = f"fire in street {'abcdefghij'[turn]}"
        store(engine, [(post(f"first-{turn}", words, created_at=first), judgement())])
        with ThreadPoolExecutor() as threads:
            repeating = threads.submit(repeat, turn)
            deleting = threads.submit(lambda: list(prune(engine, 1.5 * DAY, NOW)))
            repeating.result()
            deleting.result()
    assert rows(engine, PostRow) == 100
