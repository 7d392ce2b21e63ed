"""Which texts a canary gets, and when it counts as worse."""

import pytest

from serving.canary import Bounds, Comparison, Outcome, Reading, in_share

BOUNDS = Bounds(fewest=50, window=200)


def outcome(*, agrees: bool = True, confidence: float = 0.8, ms: float = 5.0) -> Outcome:
    return Outcome(Reading((1, 2), 0.8, 5.0), Reading((1, 2 if agrees else 0), confidence, ms))


def test_share_is_kept_and_a_text_always_answers_alike() -> None:
    texts = [f"what a day number {n}" for n in range(5_000)]
    drawn = {text for text in texts if in_share(text, "4", 0.1)}
    assert 400 < len(drawn) < 600  # 0.1, within 4.7 standard deviations
    assert all(in_share(f"  {text.upper()} ", "4", 0.1) for text in drawn)
    assert all(in_share(text, "4", 0.3) for text in drawn)  # a larger share keeps its texts
    assert len(drawn & {text for text in texts if in_share(text, "5", 0.1)}) < 150
    assert all(in_share(text, "4", 1.0) for text in texts)
    assert in_share("\ud83d", "4", 1.0)


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        ([outcome(agrees=n % 2 == 0) for n in range(100)], "agrees with the champion on 0.50"),
        ([outcome(confidence=0.6)] * 60, "mean confidence is 0.60"),
        ([outcome(ms=9.0)] * 60, "9.00 ms a text"),
        ([outcome()] * 40 + [Outcome(challenger_failed=True)] * 3, "failed on 3 texts"),
    ],
)
def test_what_is_worse_is_named(outcomes: list[Outcome], reason: str) -> None:
    comparison = Comparison(BOUNDS)
    comparison.add(outcomes)
    assert reason in (comparison.fault() or "")


@pytest.mark.parametrize(
    "outcomes",
    [
        [],
        [outcome(agrees=n % 10 < 8, confidence=0.7, ms=7.0) for n in range(200)],
        [outcome(agrees=False)] * 49,  # too few to say anything
        [outcome(agrees=n % 3 < 2) for n in range(60)],  # 0.67, which chance may explain
        [Outcome(champion_failed=True, challenger_failed=True)] * 50,  # the texts' own fault
        [outcome()] * 200 + [Outcome(challenger_failed=True)] * 2,
    ],
)
def test_what_is_no_worse_or_not_proven_stays(outcomes: list[Outcome]) -> None:
    comparison = Comparison(BOUNDS)
    comparison.add(outcomes)
    assert comparison.fault() is None


def test_figures_are_of_the_newest_texts() -> None:
    comparison = Comparison(BOUNDS)
    comparison.add([Outcome(challenger_failed=True)] * 5 + [outcome(agrees=False)] * 200)
    comparison.add([outcome(confidence=0.9)] * 100)
    assert comparison.figures() == {
        "texts": 200,
        "agreement": 0.5,
        "champion": {"confidence": 0.8, "ms_per_text": 5.0, "failed": 0},
        "challenger": {"confidence": 0.85, "ms_per_text": 5.0, "failed": 0},
    }


def test_a_task_that_one_model_lacks_is_not_held_against_it() -> None:
    comparison = Comparison(BOUNDS)
    comparison.add([Outcome(Reading((1, 2), 0.8, 5.0), Reading((None, 2), 0.8, 5.0))])
    assert comparison.figures()["agreement"] == 1.0
