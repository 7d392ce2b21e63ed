from hypothesis import given
from hypothesis import strategies as st

from inference.batching import token_budget_batches


@given(st.lists(st.integers(1, 128), max_size=200), st.integers(64, 4096))
def test_every_text_once_and_within_budget(lengths: list[int], budget: int) -> None:
    batches = list(token_budget_batches(lengths, budget))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= budget


def test_similar_lengths_share_a_batch() -> None:
    batches = list(token_budget_batches([100, 5, 100, 5], 200))
    assert batches == [[1, 3], [0, 2]]
