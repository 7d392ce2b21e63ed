"""A repeated text keeps its weight: it counts everywhere, and feeds show it once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from barometer import reposts
from barometer.events import Event, event_row, track
from barometer.feed import newest_posts, reposts_of
from barometer.overview import by_source
from barometer.rollups import EVERY_POST
from barometer.search import link_stored
from barometer.store import store
from barometer.tables import PostRow
from barometer.trends import totals, trend
from tests.conftest import judgement, post, posts_mentioning

HOUR = timedelta(hours=1)
NOON = post().created_at.replace(second=0)
FIRE = "Fire at the harbour!"


@pytest.fixture
def fire(engine: Engine) -> int:
    track(engine, Event(slug="fire", title="Fire", keywords=("fire",)))
    return event_row(engine, "fire").id


def ids(engine: Engine, event_id: int | None = None) -> list[str]:
    return [row.external_id for row in newest_posts(engine, 50, event_id=event_id)]


def repeats(engine: Engine) -> dict[str, str]:
    """The stored reposts, each with the post that it repeats."""
    with Session(engine) as session:
        rows = list(session.scalars(select(PostRow)))
    names = {row.id: row.external_id for row in rows}
    return {row.external_id: names[row.repost_of] for row in rows if row.repost_of}


def test_reposts_count_in_full_and_are_listed_once(engine: Engine, fire: int) -> None:
    first = (post(1, FIRE, events=("fire",), created_at=NOON), judgement("fear", "negative"))
    store(engine, [first])
    again = [
        (post(n, "fire at the HARBOUR https://x.example @sam", events=("fire",),
              created_at=NOON + timedelta(minutes=n)), judgement("fear", "negative"))
        for n in range(2, 14)
    ]  # fmt: skip
    stored = store(engine, [*again, (post("joy", "so glad", events=("fire",)), judgement())])
    assert (len(stored.new_posts), len(stored.reposts), stored.links) == (13, 12, 13)
    for event_id in (None, fire):
        assert ids(engine, event_id) == ["joy", "1"]
        rows = newest_posts(engine, 50, event_id=event_id)
        assert list(reposts_of(engine, [row.id for row in rows], event_id).values()) == [12]
        assert len(newest_posts(engine, 50, event_id=event_id, emotion="fear")) == 1
    [point] = trend(engine, fire, NOON, NOON + HOUR, HOUR)
    assert (point["posts"], point["emotions"]["fear"]) == (14, 13)
    assert totals(engine, [fire, EVERY_POST], NOON) == {fire: 14, EVERY_POST: 14}
    assert by_source(engine, NOON, NOON + HOUR)[0]["posts"] == 14
    assert len(posts_mentioning(engine, "fire", 50)) == 13


def test_storing_reposts_twice_changes_nothing(engine: Engine, fire: int) -> None:
    judged = [(post(n, FIRE, events=("fire",)), judgement()) for n in range(3)]
    assert len(store(engine, judged).reposts) == 2
    assert store(engine, judged[::-1]).new_posts == frozenset()
    assert repeats(engine) == {"1": "0", "2": "0"}
    assert totals(engine, [fire], NOON) == {fire: 3}


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("Fire at the town hall!", {}),
        (FIRE, {"created_at": NOON + timedelta(hours=25)}),
        (FIRE, {"showing": 1}),  # a replay's next pass is no repost
        ("🎉", {}),  # emoji are words
    ],
)
def test_another_text_day_or_showing_repeats_nothing(
    engine: Engine, text: str, fields: dict[str, object]
) -> None:
    store(engine, [(post(1, FIRE, created_at=NOON), judgement())])
    store(engine, [(post(2, text, **{"created_at": NOON} | fields), judgement())])
    assert repeats(engine) == {}
    assert sorted(ids(engine)) == ["1", "2"]


def test_texts_without_words_repeat_nothing(engine: Engine) -> None:
    store(engine, [(post(n, "?!"), judgement()) for n in range(2)])
    assert sorted(ids(engine)) == ["0", "1"]


def test_text_that_goes_on_for_days_is_listed_once_a_day(engine: Engine) -> None:
    for hour in range(0, 60, 10):
        moment = NOON + timedelta(hours=hour)
        store(engine, [(post(hour, FIRE, created_at=moment), judgement())])
    assert ids(engine) == ["30", "0"]
    assert repeats(engine) == {"10": "0", "20": "0", "40": "30", "50": "30"}


def test_late_post_repeats_the_one_that_was_stored_first(engine: Engine) -> None:
    store(engine, [(post("late", FIRE, created_at=NOON + HOUR), judgement())])
    store(engine, [(post("early", FIRE, created_at=NOON), judgement())])
    assert repeats(engine) == {"early": "late"}


def test_event_lists_a_repost_whose_first_post_it_does_not_have(engine: Engine, fire: int) -> None:
    store(engine, [(post(1, FIRE), judgement())])
    store(engine, [(post(n, FIRE, events=("fire",)), judgement()) for n in (2, 3)])
    assert ids(engine) == ["1"]
    assert sorted(ids(engine, fire)) == ["2", "3"]


def test_new_event_lists_what_it_takes_in_once(engine: Engine, fire: int) -> None:
    # The first of a text may be younger than its reposts: they came late.
    moments = (NOON, NOON + HOUR, NOON - HOUR)
    for number, moment in enumerate(moments):
        store(engine, [(post(number, FIRE, created_at=moment), judgement())])
    assert link_stored(engine, fire, ("fire", "harbour")) == 3
    assert ids(engine, fire) == ["0"]
    assert totals(engine, [fire], NOON - HOUR) == {fire: 3}


def test_reposts_are_listed_once_the_post_that_they_repeat_is_gone(
    engine: Engine, fire: int
) -> None:
    store(engine, [(post(n, FIRE, events=("fire",)), judgement()) for n in range(2)])
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM posts WHERE external_id = '0'")
    assert ids(engine) == ids(engine, fire) == ["1"]


def test_scorers_that_store_a_new_text_at_once_agree_which_is_first(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reposts, "MOST_LOCKS", 2)  # the third one's batch has more texts
    turns, scorers = "abcdef", 3
    ready = Barrier(scorers)

    def write(scorer: int) -> None:
        for turn in turns:
            words = [f"fire in street {turn}", *[f"{turn} {n}" for n in range(scorer)]]
            ready.wait(10)
            store(engine, [(post(f"{scorer}{turn}{n}", text), judgement())
                           for n, text in enumerate(words)])  # fmt: skip

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(write, scorer) for scorer in range(scorers)]:
            done.result(30)
    shown = sorted(row.text for row in newest_posts(engine, 100))
    assert shown == sorted(
        [f"{turn} {n}" for turn in turns for n in (0, 1)] + [f"fire in street {t}" for t in turns]
    )
