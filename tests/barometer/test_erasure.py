"""Single posts go; what hangs on them goes with them, or finds another place."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, select

from barometer.erasure import posts_named, remove
from barometer.events import Event, event_row, track
from barometer.feed import newest_posts
from barometer.store import store
from barometer.tables import HourlyRollupRow, PostEventRow, PostRow
from tests.conftest import judgement, post, posts_mentioning

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def keep(engine: Engine, number: int, text: str, *events: str) -> None:
    written = NOW + timedelta(minutes=number)
    store(engine, [(post(number, text, events=events, created_at=written), judgement())])


def delete_posts(engine: Engine, source: str, names: list[str]) -> int:
    return sum(posts for posts, _ in remove(engine, posts_named(engine, source, names)))


def test_a_post_goes_with_its_words_and_links(engine: Engine) -> None:
    track(engine, Event(slug="harbour", title="Harbour", keywords=("harbour",)))
    for number in range(3):
        keep(engine, number, f"harbour in state {number}", "harbour")
    assert delete_posts(engine, "elsewhere", ["1"]) == 0
    assert delete_posts(engine, "test", ["1", "7"]) == 1
    assert [row.external_id for row in newest_posts(engine, 9)] == ["2", "0"]
    assert len(posts_mentioning(engine, "harbour", 9)) == 2
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(PostEventRow)) == 2
        assert connection.scalar(select(func.sum(HourlyRollupRow.posts))) == 6


def test_the_oldest_repost_takes_the_place_of_a_deleted_first(engine: Engine) -> None:
    track(engine, Event(slug="harbour", title="Harbour", keywords=("harbour",)))
    track(engine, Event(slug="docks", title="Docks", keywords=("docks",)))
    for number, events in enumerate((("harbour", "docks"), (), ("harbour",), ("harbour",))):
        keep(engine, number, "harbour on fire", *events)
    keep(engine, 4, "harbour on fire", "docks")
    assert [row.external_id for row in newest_posts(engine, 9)] == ["0"]
    assert firsts(engine, "harbour") == firsts(engine, "docks") == ["0"]
    delete_posts(engine, "test", ["0", "1"])
    assert [row.external_id for row in newest_posts(engine, 9)] == ["2"]
    assert firsts(engine, "harbour") == ["2"]
    assert firsts(engine, "docks") == ["4"]
    delete_posts(engine, "test", ["2", "3", "4"])
    assert newest_posts(engine, 9) == []


def firsts(engine: Engine, slug: str) -> list[str]:
    """What an event's feed shows."""
    linked = select(PostRow.external_id).join(PostEventRow, PostEventRow.post_id == PostRow.id)
    of_event = linked.where(PostEventRow.event_id == event_row(engine, slug).id)
    with engine.connect() as connection:
        return list(connection.scalars(of_event.where(PostEventRow.repost_of.is_(None))))
