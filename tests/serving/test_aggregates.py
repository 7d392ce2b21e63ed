import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, event

from barometer.events import event_row, new_event, track, untrack
from barometer.store import store
from barometer.trends import totals, trend
from serving.aggregates import Aggregates
from tests.conftest import judgement, post
from tests.serving.counted import lookups

MINUTE = timedelta(minutes=1)


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """The reads of the rollups that are sent to the database meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM rollups" in statement:
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def write(engine: Engine, name: str, at: datetime, *slugs: str) -> None:
    store(engine, [(post(name, f"post {name}", created_at=at, events=slugs), judgement())])


async def test_newest_posts_show_at_once_and_the_rest_is_read_once(engine: Engine) -> None:
    now = datetime.now(UTC)
    end = now.replace(second=0, microsecond=0) + MINUTE
    start = end - 60 * MINUTE
    write(engine, "old", now - 30 * MINUTE)
    kept = Aggregates(engine, 60)
    before = lookups("aggregates")
    with statements(engine) as sent:
        results = await asyncio.gather(*(kept.trend(None, start, end, MINUTE) for _ in range(10)))
    assert len(sent) == 1 + 10  # the old part once, the newest minutes for each
    assert all(points == trend(engine, 0, start, end, MINUTE) for points, _ in results)

    write(engine, "new", now)
    write(engine, "late", now - 30 * MINUTE)
    points, read = await kept.trend(None, start, end, MINUTE)
    assert sum(point["posts"] for point in points) == 2  # the late one waits
    assert now <= read <= datetime.now(UTC)
    assert lookups("aggregates") == (before[0] + 1, before[1] + 1)
    points, _ = await Aggregates(engine, 0).trend(None, start, end, MINUTE)
    assert sum(point["posts"] for point in points) == 3


async def test_long_steps_and_short_windows_are_whole(engine: Engine) -> None:
    now = datetime.now(UTC)
    for back in (0, 3, 4, 70, 200):
        write(engine, f"{back}", now - back * MINUTE)
    for minutes, step in ((3, 60), (5, 300), (240, 3600), (1440, 86_400)):
        length = timedelta(seconds=step)
        end = datetime.fromtimestamp((now.timestamp() // step + 1) * step, UTC)
        start = end - length * -(-minutes * 60 // step)
        for _ in range(2):
            kept = Aggregates(engine, 60)
            points, _ = await kept.trend(None, start, end, length)
            assert points == trend(engine, 0, start, end, length)


async def test_posts_of_a_day_are_those_of_the_database(engine: Engine) -> None:
    for title in ("one", "two"):
        track(engine, new_event(title))
    now = datetime.now(UTC)
    write(engine, "a", now - 60 * MINUTE, "one", "two")
    write(engine, "b", now - timedelta(hours=25), "two")
    events = [event_row(engine, slug) for slug in ("one", "two")]
    ids = [row.id for row in events]
    kept = Aggregates(engine, 60)
    counts, first = await kept.posts_of_a_day(events)
    assert counts == {ids[0]: 1, ids[1]: 1}
    assert now <= first <= datetime.now(UTC)
    write(engine, "c", now, "one")
    with statements(engine) as sent:
        counts, read = await kept.posts_of_a_day(events)
    assert counts == {ids[0]: 2, ids[1]: 1}
    assert read == first  # the newest were read anew, the others then
    assert len(sent) == 1
    assert totals(engine, ids, now - timedelta(days=1)) == {ids[0]: 2, ids[1]: 1}
    assert (await kept.posts_of_a_day([]))[0] == {}


async def test_event_with_the_id_of_a_forgotten_one_starts_from_nothing(engine: Engine) -> None:
    now = datetime.now(UTC)
    kept = Aggregates(engine, 60)
    for expected in (1, 0):
        track(engine, new_event("again"))
        row = event_row(engine, "again")
        if expected:
            write(engine, "a", now - 60 * MINUTE, "again")
        assert (await kept.posts_of_a_day([row]))[0] == {row.id: expected}
        points, _ = await kept.trend(row, now - 120 * MINUTE, now, MINUTE)
        assert sum(point["posts"] for point in points) == expected
        untrack(engine, "again")
