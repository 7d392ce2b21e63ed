from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis

from barometer.redis_server import connect
from barometer.stream import PostStream
from tests.conftest import post
from tests.servers import redis_server


@pytest.fixture(params=["carried", "on PATH"])
def redis(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Iterator[Redis]:
    """The oldest Redis that a user may get, and the one that this machine prefers."""
    if request.param == "carried":
        client = connect(redis_url)
        client.flushall()
        yield client
    else:
        with redis_server(tmp_path) as url:
            yield connect(url)


def test_backlog_counts_what_is_waiting_and_what_is_under_way(redis: Redis) -> None:
    stream = PostStream(redis)
    assert stream.backlog() == 0
    stream.publish([post(n, f"text {n}") for n in range(120)])
    assert stream.backlog() == 120
    stream.ensure_group()
    assert stream.backlog() == 120
    taken = stream.read("w", 50, block_ms=10)
    assert stream.backlog() == 120
    stream.acknowledge([entry.id for entry in taken])
    assert stream.backlog() == 70
    redis.xdel("barometer:posts", "1-1")
    rest = stream.read("w", 100, block_ms=10)
    stream.acknowledge([entry.id for entry in rest])
    assert stream.backlog() == 0


def drained(stream: PostStream, name: str = "w") -> list:
    stream.ensure_group()
    return stream.read(name, 100, block_ms=10)


def test_published_posts_come_out_whole(redis: Redis) -> None:
    stream = PostStream(redis)
    original = post(1, "naïve 🎉 \ttext", events=("a", "b"), metadata={"n": 1}, location="Ulm")
    assert stream.publish([original]) == [True]
    [entry] = drained(stream)
    assert entry.post == original


def test_same_id_is_a_duplicate_even_within_one_call(redis: Redis) -> None:
    stream = PostStream(redis)
    assert stream.publish([post(1, "one"), post(1, "two")]) == [True, False]
    assert stream.publish([post(1, "three")]) == [False]
    assert len(drained(stream)) == 1


def test_same_text_repeats_only_within_event_and_hour(redis: Redis) -> None:
    stream = PostStream(redis)
    first = post(1, "Fire at the harbour!", events=("a",))
    later = first.created_at + timedelta(hours=1)
    assert stream.publish([first]) == [True]
    assert stream.publish([post(2, "fire at the HARBOUR", events=("a",))]) == [False]
    assert stream.publish([post(3, "fire at the harbour", events=("b",))]) == [True]
    assert stream.publish([post(4, first.text, events=("a",), created_at=later)]) == [True]
    assert stream.publish([post(5, first.text, events=("a",), showing=1)]) == [True]


def test_posts_that_differ_in_mood_or_have_no_event_do_not_repeat_each_other(redis: Redis) -> None:
    stream = PostStream(redis)
    assert stream.publish([post(1, "the vote 😀", events=("a",))]) == [True]
    assert stream.publish([post(2, "the vote 😡", events=("a",))]) == [True]
    assert stream.publish([post(3, "🎉"), post(3, "🎉", source="other")]) == [True, True]
    assert stream.publish([post(4, "good morning"), post(5, "good morning")]) == [True, True]


def test_replayed_text_repeats_within_the_hour_of_its_story(redis: Redis) -> None:
    stream = PostStream(redis)
    told = post().created_at
    assert stream.publish([post(1, "late again", events=("a",), told_at=told)]) == [True]
    soon = told + timedelta(minutes=5)
    assert stream.publish([post(2, "late again", events=("a",), told_at=soon)]) == [False]
    later = told + timedelta(days=1)
    assert stream.publish([post(3, "late again", events=("a",), told_at=later)]) == [True]


def test_known_post_is_new_for_another_event(redis: Redis) -> None:
    stream = PostStream(redis)
    stream.publish([post(1, events=("a",))])
    assert stream.publish([post(1, events=("a", "b"))]) == [True]
    assert [entry.post.events for entry in drained(stream) if entry.post] == [("a",), ("b",)]


def test_unacknowledged_entries_come_again_to_the_same_worker(redis: Redis) -> None:
    stream = PostStream(redis)
    stream.publish([post(1), post(2, "other text")])
    first, second = drained(stream)
    stream.acknowledge([first.id])
    assert [entry.id for entry in stream.own_pending("w", 10)] == [second.id]
    assert stream.backlog() == 1


def test_dead_workers_entries_are_claimed_and_counted(redis: Redis) -> None:
    stream = PostStream(redis)
    stream.publish([post(1)])
    [held] = drained(stream, "dead")
    [claimed] = stream.claim("alive", idle_ms=0, count=10)
    assert claimed.id == held.id
    assert stream.deliveries([held.id])[held.id] == 2
    assert stream.own_pending("dead", 10) == []


def test_buried_entry_is_listed_with_its_reason_and_can_be_revived(redis: Redis) -> None:
    stream = PostStream(redis)
    stream.publish([post(1)])
    [entry] = drained(stream)
    stream.bury(entry, "the database refused it")
    assert stream.backlog() == 0
    [(letter_id, fields)] = stream.dead_letters(10)
    assert fields["reason"] == "the database refused it"
    stream.revive(letter_id, fields)
    assert stream.dead_letters(10) == []
    [again] = drained(stream)
    assert again.post == entry.post


def test_unreadable_entry_is_delivered_without_a_post(redis: Redis) -> None:
    stream = PostStream(redis)
    redis.xadd("barometer:posts", {"post": "{not json", "events": "[]"})
    [entry] = drained(stream)
    assert entry.post is None


def test_trim_keeps_what_is_not_acknowledged(redis: Redis) -> None:
    stream = PostStream(redis)
    stream.publish([post(n, f"text {n}") for n in range(500)])
    stream.ensure_group()
    entries = stream.read("w", 500, block_ms=10)
    stream.acknowledge([entry.id for entry in entries[:100]])
    far_future = int(entries[-1].id.split("-")[0]) + 10_000
    stream.trim(0, far_future)
    left = {entry_id for entry_id, _ in redis.xrange("barometer:posts")}
    assert {entry.id for entry in entries[100:]} <= left
    stream.acknowledge([entry.id for entry in entries[100:]])
    stream.trim(0, far_future)
    assert redis.xlen("barometer:posts") < 200
