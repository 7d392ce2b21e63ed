"""How a source stands, in every state, and what clears it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, update

from barometer.events import Event, track, untrack
from barometer.settings import Settings
from barometer.source_states import Taken, save_reading
from barometer.tables import SourceStateRow
from ingestion.source import REFUSED
from ingestion.states import SourceLine, source_lines

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NOW = datetime.now(UTC)


def line(engine: Engine, name: str = "rss", **settings: Any) -> SourceLine:
    lines = source_lines(Settings(**settings), engine)
    return next(each for each in lines if each.name == name)


def read(engine: Engine, key: str = "vote", source: str = "rss", **how: Any) -> None:
    save_reading(engine, source, key, {}, taken=how.pop("taken", Taken()), **how)


@pytest.fixture
def tracked(engine: Engine) -> Engine:
    for slug in ("vote", "city"):
        asked = ("rss", "bluesky")
        track(engine, Event(slug=slug, title=slug, keywords=(slug,), sources=asked))
    return engine


@SQLITE
def test_source_is_ready_or_names_what_it_lacks(engine: Engine) -> None:
    ready = line(engine)
    assert (ready.state, ready.detail) == ("ready", "a news search for the keywords, and feeds")
    assert (ready.posts, ready.last_ok_at, ready.trackable) == (0, None, True)
    off = line(engine, news_search_url="off")
    needs = "set BAROMETER_FEEDS or BAROMETER_NEWS_SEARCH_URL"
    assert (off.state, off.detail) == ("missing setting", needs)
    reddit = line(engine, "reddit", reddit_client_id="x")
    assert reddit.detail == "set BAROMETER_REDDIT_CLIENT_SECRET and BAROMETER_REDDIT_USERNAME"
    assert line(engine, "reddit").detail.startswith(
        "set BAROMETER_REDDIT_CLIENT_ID, BAROMETER_REDDIT_CLIENT_SECRET and "
    )
    key = line(engine, "news", news_api_key="secret-of-mine")
    assert key.state == "ready"
    assert "secret-of-mine" not in str(key)
    assert [line(engine, name).trackable for name in ("http", "replay")] == [False, False]
    assert [line(engine, name).may_train for name in ("rss", "reddit", "x")] == [True, False, False]


def test_what_it_brought_is_counted_over_its_readings(tracked: Engine) -> None:
    newest = NOW - timedelta(minutes=3)
    read(tracked, taken=Taken(3, newest))
    read(tracked, "city", taken=Taken(2, newest - timedelta(days=1)))
    read(tracked, "city")
    counted = line(tracked)
    assert (counted.posts, counted.posts_today, counted.last_post_at) == (5, 5, newest)
    with tracked.begin() as connection:
        connection.execute(update(SourceStateRow).values(day=NOW.date() - timedelta(days=1)))
    assert (line(tracked).posts, line(tracked).posts_today) == (5, 0)
    read(tracked, taken=Taken(1, newest))
    assert (line(tracked).posts, line(tracked).posts_today) == (6, 1)


def test_processes_that_count_for_the_same_source_lose_nothing(engine: Engine) -> None:
    with ThreadPoolExecutor(6) as threads:
        done = [
            threads.submit(read, engine, "", "http", taken=Taken(1, NOW + timedelta(seconds=n)))
            for n in range(18)
        ]
        for each in done:
            each.result()
    http = line(engine, "http")
    assert (http.posts, http.last_post_at) == (18, NOW + timedelta(seconds=17))


@SQLITE
def test_limit_is_told_until_it_has_passed(tracked: Engine) -> None:
    until = NOW + timedelta(hours=2)
    read(tracked, error="429", until=until)
    read(tracked, "city")
    limited = line(tracked)
    assert (limited.state, limited.limited_until) == ("limited", until)
    assert limited.detail == "429"
    with tracked.begin() as connection:
        passed = NOW - timedelta(seconds=1)
        connection.execute(
            update(SourceStateRow).where(SourceStateRow.key == "vote").values(limited_until=passed)
        )
    assert (line(tracked).state, line(tracked).limited_until) == ("ready", None)
    read(tracked, error="answered 500")
    assert line(tracked).state == "failing"


@SQLITE
def test_fault_is_told_until_a_reading_succeeds_or_its_event_is_gone(tracked: Engine) -> None:
    read(tracked, error="the first")
    assert (line(tracked).state, line(tracked).detail) == ("failing", "the first")
    read(tracked, "city", error="the newest")
    assert line(tracked).detail == "2 of 2 readings: the newest"
    read(tracked)
    assert line(tracked).detail == "1 of 2 readings: the newest"
    untrack(tracked, "city")
    assert line(tracked).state == "ready"
    read(tracked, "", "bluesky", error="the connection broke")
    assert line(tracked, "bluesky").detail == "the connection broke"
    untrack(tracked, "vote")
    assert line(tracked, "bluesky").state == "ready", "nobody asks for it, so nobody follows it"
    assert line(tracked, "bluesky", bluesky_url="off").state == "missing setting"


def test_rows_that_were_passed_over_are_told(engine: Engine) -> None:
    save_reading(engine, "files", "vote", {REFUSED: 1_200, "files": {}}, taken=Taken(1))
    save_reading(engine, "files", "ferry", {REFUSED: 34}, taken=Taken())
    save_reading(engine, "rss", "vote", {"feeds": {}}, taken=Taken())
    details = {line.name: line.detail for line in source_lines(Settings(), engine)}
    assert details["files"].endswith("; 1,234 rows were passed over, the log names them")
    assert "passed over" not in details["rss"]
