"""Length-sorted batches under a token budget: padding is the main waste of a text classifier."""

from collections.abc import Iterator, Sequence


def token_budget_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Group indices so that texts of similar length share a batch.

    A batch's cost is its longest text times its size, since shorter ones are padded; it stays
    within `budget` tokens, except that a single longer text still gets a batch of its own.
    """
    batch: list[int] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        longest = max(longest, lengths[index])
        if batch and longest * (len(batch) + 1) > budget:
            yield batch
            batch, longest = [], lengths[index]
        batch.append(index)
    if batch:
        yield batch
