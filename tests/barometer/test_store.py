import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from barometer.errors import ConflictError, NotFoundError
from barometer.events import Event, event_row, track, tracked, untrack
from barometer.feed import events_of_posts, newest_posts
from barometer.rollups import EVERY_POST
from barometer.search import link_stored
from barometer.source_states import Taken, position_of, readings, save_reading
from barometer.store import store
from barometer.tables import PostRow, RollupRow
from barometer.trends import totals, trend
from tests.conftest import judgement, post, posts_mentioning


def count(engine: Engine, event_id: int) -> int:
    with Session(engine) as session:
        total = func.coalesce(func.sum(RollupRow.posts), 0)
        return int(session.scalar(select(total).where(RollupRow.event_id == event_id)) or 0)


def rows(engine: Engine) -> int:
    with Session(engine) as session:
        return int(session.scalar(select(func.count()).select_from(PostRow)) or 0)


@pytest.fixture
def vote(engine: Engine) -> int:
    track(engine, Event(slug="vote", title="Vote", keywords=("vote",)))
    return event_row(engine, "vote").id


def test_storing_twice_changes_nothing(engine: Engine, vote: int) -> None:
    judged = [(post(n, f"vote {n}", events=("vote",)), judgement()) for n in range(3)]
    assert len(store(engine, judged).new_posts) == 3
    assert store(engine, judged).new_posts == frozenset()
    assert (rows(engine), count(engine, EVERY_POST), count(engine, vote)) == (3, 3, 3)


def test_known_post_for_a_second_event_adds_only_the_link(engine: Engine, vote: int) -> None:
    track(engine, Event(slug="city", title="City", keywords=("city",)))
    store(engine, [(post(1, events=("vote",)), judgement("joy"))])
    stored = store(engine, [(post(1, events=("city",)), judgement("anger"))])
    assert (stored.new_posts, stored.links) == (frozenset(), 1)
    assert (rows(engine), count(engine, EVERY_POST)) == (1, 1)
    [row] = newest_posts(engine, 10, event_id=event_row(engine, "city").id)
    assert row.emotion == "joy"  # counted by its first judgement, as the row says
    assert events_of_posts(engine, [row.id]) == {row.id: ["city", "vote"]}


def test_post_of_a_deleted_event_is_kept_without_a_link(engine: Engine) -> None:
    stored = store(engine, [(post(1, events=("gone",)), judgement())])
    assert (len(stored.new_posts), stored.links) == (1, 0)


def test_writers_at_once_lose_and_double_nothing(engine: Engine, vote: int) -> None:
    def write(offset: int) -> None:
        for start in range(offset, 200, 20):
            batch = [
                (post(n, f"vote {n}", events=("vote",)), judgement()) for n in range(start, 200)
            ]
            store(engine, batch[:40])

    threads = [threading.Thread(target=write, args=(offset,)) for offset in (0, 5, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (rows(engine), count(engine, EVERY_POST), count(engine, vote)) == (200, 200, 200)


def test_linking_and_storing_at_once_fail_neither(engine: Engine) -> None:
    """Both count in the same minutes and days."""
    store(engine, [(post(n, f"vote {n}"), judgement()) for n in range(50)])
    for turn in range(4):
        slug = f"vote-{turn}"
        track(engine, Event(slug=slug, title=slug, keywords=("vote",)))
        event_id = event_row(engine, slug).id

        def write(slug: str = slug) -> None:
            for n in range(10):
                store(engine, [(post(f"{slug}-{n}", "vote", events=(slug,)), judgement())])

        with ThreadPoolExecutor() as pool:
            storing = pool.submit(write)
            linking = pool.submit(link_stored, engine, event_id, ("vote",))
            storing.result(30)
            linking.result(30)
        assert count(engine, event_id) == 50 + 10 * (turn + 1)


def test_trend_counts_by_the_posts_own_minute(engine: Engine, vote: int) -> None:
    first = post(1, events=("vote",))
    start = first.created_at.replace(second=0)
    late = post(2, events=("vote",), created_at=start + timedelta(minutes=2, seconds=59))
    store(engine, [(first, judgement("fear", "negative")), (late, judgement())])
    points = trend(engine, vote, start, start + timedelta(minutes=3), timedelta(minutes=1))
    assert [point["posts"] for point in points] == [1, 0, 1]
    assert points[0]["emotions"]["fear"] == 1
    assert points[0]["sentiments"]["negative"] == 1
    assert points[1]["sentiment_score"] is None
    assert points[2]["sentiment_score"] == pytest.approx(0.6)
    assert totals(engine, [vote, 999], start) == {vote: 2, 999: 0}


def test_hours_and_minutes_tell_the_same_course(engine: Engine, vote: int) -> None:
    start = post(1).created_at.replace(hour=10, minute=0, second=0)
    times = [start + timedelta(minutes=7 * n, seconds=59) for n in range(40)]
    store(engine, [
        (post(n, f"vote {n}", events=("vote",), created_at=at),
         judgement(("joy", "fear")[n % 2], confidence=0.5 + n / 100))
        for n, at in enumerate(times)
    ])  # fmt: skip
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    for end in (start + 5 * hour, start + 4 * hour + 20 * minute):
        minutes = trend(engine, vote, start, end, minute)
        for index, point in enumerate(trend(engine, vote, start, end, hour)):
            parts = [part for part in minutes[index * 60 : index * 60 + 60] if part["posts"]]
            assert point["start"] == start + index * hour
            assert point["posts"] == sum(part["posts"] for part in parts) > 0
            assert point["emotions"]["fear"] == sum(part["emotions"]["fear"] for part in parts)
            confidence = sum(part["confidence"] for part in parts) / len(parts)
            assert point["confidence"] == pytest.approx(confidence, abs=1e-4)


def test_feed_is_newest_first_and_pages(engine: Engine) -> None:
    begin = post(1).created_at
    times = [begin + timedelta(seconds=n) for n in range(5)]
    judged = [(post(n, f"text {n}", created_at=at), judgement()) for n, at in enumerate(times)]
    store(engine, judged)
    first = newest_posts(engine, 2)
    assert [row.external_id for row in first] == ["4", "3"]
    rest = newest_posts(engine, 10, before=(first[-1].created_at, first[-1].id))
    assert [row.external_id for row in rest] == ["2", "1", "0"]
    assert newest_posts(engine, 10, emotion="fear") == []


def test_posts_of_one_second_are_paged_without_a_gap(engine: Engine, vote: int) -> None:
    store(engine, [(post(n, f"vote {n}", events=("vote",)), judgement()) for n in range(5)])
    for event_id in (None, vote):
        seen: list[str] = []
        before = None
        while page := newest_posts(engine, 2, event_id=event_id, before=before):
            seen += [row.external_id for row in page]
            before = (page[-1].created_at, page[-1].id)
        assert sorted(seen) == ["0", "1", "2", "3", "4"]


def test_search_knows_the_case_of_every_alphabet(engine: Engine) -> None:
    store(engine, [(post(1, "servus österreich"), judgement())])
    assert len(posts_mentioning(engine, "Österreich", 10)) == 1


def test_event_deleted_while_posts_are_stored_leaves_no_rollup(engine: Engine) -> None:
    for turn in range(10):
        track(engine, Event(slug="gone", title="Gone", keywords=("gone",)))
        event_id = event_row(engine, "gone").id
        batch = [(post(f"{turn}-{n}", f"t {n}", events=("gone",)), judgement()) for n in range(40)]
        writer = threading.Thread(target=store, args=(engine, batch))
        writer.start()
        untrack(engine, "gone")
        writer.join()
        assert count(engine, event_id) == 0
    assert rows(engine) == 400


def test_search_finds_words_not_parts_and_takes_wildcards_as_text(engine: Engine) -> None:
    texts = ["the Vote is on", "voters wait", "100% sure of the vote", "a_b"]
    store(engine, [(post(n, text), judgement()) for n, text in enumerate(texts)])
    assert {row.external_id for row in posts_mentioning(engine, "vote", 10)} == {"0", "2"}
    assert posts_mentioning(engine, "%", 10) == []
    assert posts_mentioning(engine, "a%b", 10) == []
    assert len(posts_mentioning(engine, "vote", 1)) == 1


def test_new_event_takes_in_the_stored_posts_that_mention_it(engine: Engine) -> None:
    store(engine, [(post(1, "the vote passed"), judgement()), (post(2, "nice day"), judgement())])
    track(engine, Event(slug="vote", title="Vote", keywords=("vote", "passed")))
    event_id = event_row(engine, "vote").id
    assert link_stored(engine, event_id, ("vote", "passed")) == 1
    assert link_stored(engine, event_id, ("vote",)) == 0
    assert count(engine, event_id) == 1


def test_events_are_tracked_once_and_forgotten_with_their_rollups(
    engine: Engine, vote: int
) -> None:
    with pytest.raises(ConflictError, match="vote"):
        track(engine, Event(slug="vote", title="Again", keywords=("x",)))
    store(engine, [(post(1, events=("vote",)), judgement())])
    untrack(engine, "vote")
    assert tracked(engine) == []
    assert (rows(engine), count(engine, vote), count(engine, EVERY_POST)) == (1, 0, 1)
    with pytest.raises(NotFoundError, match="vote"):
        event_row(engine, "vote")


def test_source_state_keeps_position_counts_and_the_last_fault(engine: Engine) -> None:
    assert position_of(engine, "rss", "vote") == {}
    save_reading(engine, "rss", "vote", {"etag": "1"}, taken=Taken(3))
    save_reading(engine, "rss", "vote", {"etag": "2"}, taken=Taken(2), error="timed out")
    [row] = readings(engine)
    assert position_of(engine, "rss", "vote") == {"etag": "2"}
    assert (row.posts, row.last_error) == (5, "timed out")
    assert row.last_ok_at is not None
    assert row.last_ok_at < row.updated_at
