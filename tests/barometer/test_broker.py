"""What every broker does, over every kind of them."""

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from barometer.broker import Broker, Entry
from barometer.carried import packed
from tests.brokers import KINDS, VERSIONS, Stream
from tests.conftest import post


@pytest.fixture(params=KINDS | VERSIONS)
def stream(request: pytest.FixtureRequest) -> Iterator[Stream]:
    with (KINDS | VERSIONS)[request.param](request) as opened:
        yield opened


def take(broker: Broker, consumer: str = "w", count: int = 1_000) -> list[Entry]:
    return broker.receive(consumer, count, block_ms=50)


def texts(entries: list[Entry]) -> list[str]:
    return [entry.post.text for entry in entries if entry.post is not None]


def test_backlog_counts_what_is_waiting_and_what_is_under_way(broker: Broker) -> None:
    assert broker.backlog() == 0
    broker.publish([post(n, f"text {n}") for n in range(120)])
    assert broker.backlog() == 120
    taken = take(broker, count=50)
    assert broker.backlog() == 120
    broker.acknowledge(taken)
    broker.acknowledge(taken)
    assert broker.backlog() == 70
    [first, *rest] = take(broker)
    broker.bury(first, "no reason")
    broker.acknowledge(rest)
    assert broker.backlog() == 0
    [letter] = broker.dead_letters(10)
    broker.revive(letter)
    assert broker.backlog() == 1


def test_published_posts_come_out_whole(broker: Broker) -> None:
    original = post(1, "naïve 🎉 \ttext", events=("a", "b"), metadata={"n": 1}, location="Ulm")
    assert broker.publish([original]) == [True]
    [entry] = take(broker)
    assert (entry.post, entry.fault, entry.deliveries) == (original, "", 1)


def test_same_id_is_a_duplicate_even_within_one_call(broker: Broker) -> None:
    assert broker.publish([post(1, "one"), post(1, "two")]) == [True, False]
    assert broker.publish([post(1, "three")]) == [False]
    assert len(take(broker)) == 1


def test_same_text_under_another_id_is_a_post_of_its_own(broker: Broker) -> None:
    text = "Fire at the harbour!"
    assert broker.publish([post(1, text, events=("a",))]) == [True]
    assert broker.publish([post(2, text, events=("a",)), post(1, text, source="b")]) == [True, True]
    assert broker.publish([post(2, text, events=("a",))]) == [False]
    assert len(take(broker)) == 3


def test_known_post_is_new_for_another_event(broker: Broker) -> None:
    broker.publish([post(1, events=("a",))])
    assert broker.publish([post(1, events=("a", "b"))]) == [True]
    assert [entry.post.events for entry in take(broker) if entry.post] == [("a",), ("b",)]


def test_what_was_not_settled_comes_again_before_what_is_new(broker: Broker) -> None:
    broker.publish([post(1, "one"), post(2, "two")])
    first, _ = take(broker)
    broker.acknowledge([first])
    broker.publish([post(3, "three")])
    [again] = take(broker)
    assert (again.post, again.deliveries) == (post(2, "two"), 2)
    broker.acknowledge([again])
    assert texts(take(broker)) == ["three"]


def test_two_consumers_get_different_posts(stream: Stream, broker: Broker) -> None:
    broker.publish([post(n, f"text {n}") for n in range(10)])
    taken: list[str] = []

    def work(name: str) -> None:
        client = stream.open()
        while len(taken) < 10:
            entries = take(client, name, count=2)
            taken.extend(entry.id for entry in entries)
            client.acknowledge(entries)

    with ThreadPoolExecutor() as workers:
        for ended in [workers.submit(work, name) for name in "ab"]:
            ended.result(30)
    assert len(set(taken)) == len(taken) == 10
    assert broker.backlog() == 0


def test_what_a_silent_consumer_held_goes_to_another_and_stays_there(stream: Stream) -> None:
    dead, alive = (stream.open(stream_claim_after_s=stream.silence_s) for _ in range(2))
    dead.publish([post(n, f"text {n}") for n in range(5)])
    held = take(dead, "dead")
    threading.Event().wait(2 * stream.silence_s)
    claimed: list[Entry] = []
    while entries := take(alive, "alive"):
        alive.acknowledge(entries)
        claimed += entries
    assert [entry.id for entry in claimed] == [entry.id for entry in held]
    assert {entry.deliveries for entry in claimed} == {2}
    assert take(dead, "dead") == []
    assert alive.backlog() == 0


def test_all_that_the_silent_held_is_claimed_however_much_it_is(stream: Stream) -> None:
    dead, alive = (stream.open(stream_claim_after_s=stream.silence_s) for _ in range(2))
    dead.publish([post(n, f"text {n}") for n in range(1_200)])
    assert len(take(dead, "dead", count=1_200)) == 1_200
    threading.Event().wait(2 * stream.silence_s)
    claimed = 0
    while entries := take(alive, "alive", count=50):
        alive.acknowledge(entries)
        claimed += len(entries)
    assert claimed == 1_200


def test_what_a_busy_consumer_holds_is_not_claimed(stream: Stream) -> None:
    busy, idle = (stream.open(stream_claim_after_s=30) for _ in range(2))
    busy.publish([post(1)])
    assert len(take(busy, "busy")) == 1
    assert take(idle, "idle") == []


def test_delivery_that_is_held_does_not_count(broker: Broker) -> None:
    broker.publish([post(n, f"text {n}") for n in range(3)])
    for _ in range(20):
        entries = take(broker)
        assert [entry.deliveries for entry in entries] == [1, 1, 1]
        broker.hold("w", entries)
    broker.acknowledge(entries[:1])
    broker.hold("w", entries)
    assert len(take(broker)) == 2


def test_entry_that_kills_its_consumer_raises_no_other_entrys_count(broker: Broker) -> None:
    posts = [post(n, f"text {n}") for n in range(10)]
    broker.publish(posts)
    tried: list[list[str]] = []
    # Each pass is one life of a consumer that dies of text 4.
    while (entries := take(broker)) and entries[0].deliveries <= 5:
        tried.append(texts(entries))
        while "text 4" not in tried[-1]:
            broker.acknowledge(entries)
            entries = take(broker)
            tried.append(texts(entries))
    everything = [each.text for each in posts]
    alone = [["text 0"], ["text 1"], ["text 2"], ["text 3"], *[["text 4"]] * 3]
    assert tried == [everything, everything, *alone]
    [poison] = entries
    assert (poison.deliveries, texts(entries)) == (6, ["text 4"])
    broker.bury(poison, "it kills")
    rest = []
    while entries := take(broker):
        assert all(entry.deliveries <= 3 for entry in entries)
        broker.acknowledge(entries)
        rest += texts(entries)
    assert rest == everything[5:]


def test_buried_entry_is_listed_with_its_reason_and_can_be_revived_once(broker: Broker) -> None:
    broker.publish([post(1)])
    [entry] = take(broker)
    broker.bury(entry, "the database refused it")
    broker.bury(entry, "the database refused it")
    assert broker.backlog() == 0
    [letter] = broker.dead_letters(10)
    assert letter.reason == "the database refused it"
    assert '"the vote made me so happy"' in letter.post
    assert [broker.revive(letter), broker.revive(letter)] == [True, False]
    assert broker.dead_letters(10) == []
    [again] = take(broker)
    assert (again.post, again.deliveries) == (entry.post, 1)


def test_discarded_letter_is_gone(broker: Broker) -> None:
    broker.publish([post(1), post(2, "another")])
    for entry in take(broker):
        broker.bury(entry, "no reason")
    first, second = broker.dead_letters(10)
    assert [broker.discard(first), broker.discard(first)] == [True, False]
    assert broker.dead_letters(10) == [second]


def test_unwanted_posts_are_erased_wherever_they_are(broker: Broker) -> None:
    names = ("settled", "buried", "held", "unwanted settled", "unwanted buried", "unwanted held")
    broker.publish([post(n, f"a {name}") for n, name in enumerate(names)])
    entries = {e.post.text: e for e in broker.receive("w", 50, block_ms=2_000) if e.post}
    broker.acknowledge([entries["a settled"], entries["a unwanted settled"]])
    for name in ("a buried", "a unwanted buried"):
        broker.bury(entries[name], "refused")
    broker.publish([post("late", "unwanted, and not read yet")])

    def unwanted(content: bytes) -> bool:
        return b"unwanted" in content

    counted = broker.erase(unwanted, only_count=True)
    assert broker.backlog() == 3
    assert broker.erase(unwanted) == counted
    assert counted.letters == 1
    assert [json.loads(letter.post)["text"] for letter in broker.dead_letters(9)] == ["a buried"]
    if counted.entries is not None:  # Kafka deletes no single entry
        assert (counted.entries, broker.backlog()) == (
            4,
            1,
        )  # one was buried
        assert broker.erase(unwanted).entries == 0
        broker.acknowledge([entries["a unwanted held"]])  # whoever held it comes too late
        assert broker.backlog() == 1


GOOD = packed(post(9)).encode()
POISON: list[tuple[bytes | None, bytes | None, str]] = [
    (b'{"id": 3', b"[]", "post: Invalid JSON"),
    (b"\xff\xfe\x00", b"[]", "post: Invalid JSON"),
    (GOOD.replace(b"so happy", b"so \\ud83d happy"), b"[]", "post: Invalid JSON: .* hex escape"),
    (GOOD.replace(b"so happy", b"so " + b"y" * 1_000_000), b"[]", "post.text: .* 20000"),
    (GOOD.replace(b"2026-", b"20266-"), b"[]", "post.created_at: "),
    (GOOD.replace(b"{}", b"[" * 5_000), b"[]", "post: Invalid JSON"),
    (GOOD, b"[5]", "events.0: .* string"),
    (GOOD, b'"all"', "events: .* array"),
    (GOOD, None, "no field events"),
    (None, b"[]", "no field post"),
]


def test_entry_that_cannot_be_read_comes_with_its_fault_beside_good_ones(
    stream: Stream, broker: Broker
) -> None:
    broker.publish([post(1, "before")])
    for content, events, _ in POISON:
        stream.put(content, events)
    broker.publish([post(2, "after")])
    before, *bad, after = take(broker)
    assert texts([before, after]) == ["before", "after"]
    for entry, (_, _, fault) in zip(bad, POISON, strict=True):
        assert entry.post is None
        assert re.search(fault, entry.fault)
        assert "happy" not in entry.fault
        broker.bury(entry, entry.fault)
    broker.acknowledge([before, after])
    letters = broker.dead_letters(100)
    assert [letter.reason for letter in letters] == [entry.fault for entry in bad]
    assert r"\xff\xfe" in letters[1].post
    assert all(broker.revive(letter) for letter in letters)
    assert [entry.fault for entry in take(broker)] == [entry.fault for entry in bad]


@pytest.mark.parametrize(
    "metadata", [{"half": "\ud83d"}, {"nul": "\x00"}, {"no": {1, 2}}, {"far": float("inf")}]
)
def test_publishing_stops_at_no_content(broker: Broker, metadata: dict[str, Any]) -> None:
    posts = [post(1, "before"), post(2, "\u202e odd \x00", metadata=metadata), post(3, "after")]
    assert broker.publish(posts) == [True, True, True]
    first, _, last = take(broker)
    assert texts([first, last]) == ["before", "after"]


def test_trimming_keeps_what_is_not_acknowledged(stream: Stream) -> None:
    day = 24 * 3600
    broker = stream.open(stream_keep_days=0.001 / day)
    broker.publish([post(n, f"text {n}") for n in range(500)])
    entries = take(broker, count=500)
    broker.acknowledge([*entries[:100], *entries[300:]])
    broker.publish([post(n, f"text {n}") for n in range(500, 600)])
    threading.Event().wait(0.05)
    broker.tidy()
    assert broker.backlog() == 300
    broker.close()
    other = stream.open()
    left: list[str] = []
    while more := take(other):
        left += texts(more)
        other.acknowledge(more)
    assert sorted(left) == sorted(f"text {n}" for n in (*range(100, 300), *range(500, 600)))
