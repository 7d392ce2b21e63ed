"""What a worker did with a partition comes through a commit's text to the next one."""

from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from barometer.kafka_ledger import MOST_TEXT, SETTLED, Ledger, counts_in


def message(offset: int) -> Message:
    return Message(topic="barometer.posts", partition=0, offset=offset, value=b"{}")


@given(st.lists(st.integers(SETTLED, 7), max_size=60), st.integers(0, 60), st.sets(st.integers(0)))
def test_next_worker_knows_what_was_done_with_each_entry(
    fates: list[int], start: int, gaps: set[int]
) -> None:
    first = Ledger(start)
    there = [offset for offset in range(start, start + len(fates)) if offset % 60 not in gaps]
    for offset in there:
        first.take(message(offset))
        first.take(message(offset))
        fate = fates[offset - start]
        if fate == SETTLED:
            first.settle(offset)
        else:
            first.count(offset, fate)
    heir = Ledger(*first.commit())
    for offset in there:
        heir.take(message(offset))
    assert list(heir.held) == list(first.held)
    for offset in first.held:
        assert heir.deliveries(offset) == first.deliveries(offset) == fates[offset - start]
    assert heir.commit() == first.commit()


def test_text_fits_into_a_commit_and_what_is_cut_off_comes_again() -> None:
    ledger = Ledger(0)
    for offset in range(4_000):
        ledger.take(message(offset))
        if offset % 2:
            ledger.settle(offset)
    bound, text = ledger.commit()
    assert bound == 0
    assert len(text) <= MOST_TEXT
    kept = counts_in(text)
    assert len(kept) > 700
    assert all((count == SETTLED) == bool(offset % 2) for offset, count in enumerate(kept))


def test_text_of_somebody_else_is_no_count() -> None:
    assert counts_in(None) == counts_in("") == counts_in("a comment 99999999999x1") == []
