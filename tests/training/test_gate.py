"""The gate's decision: what it refuses, what it lets pass, and by which rows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from barometer.errors import DataError
from barometer.labels import EMOTIONS
from barometer.text import fingerprint
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from tests.conftest import STARTER
from tests.training.gate_models import copy_starter, lose_class, slow_down, write_rows
from training.data import load_task
from training.gate.bounds import Bounds
from training.gate.decision import (
    Answers,
    Line,
    compare_answers,
    compare_behaviour,
    compare_latency,
)
from training.gate.latency import interleaved_ms
from training.gate.rows import held_out, read_live
from training.study.behaviour import Behaviour

COUNTS = (292, 335, 81, 135, 121, 36)
"""Rows a class of the real release split of `emotion`."""
LOVE = EMOTIONS.index("love")
JOY = EMOTIONS.index("joy")
SADNESS = EMOTIONS.index("sadness")


def answers(seed: int = 3, accuracy: float = 0.93, changed: float = 0.03) -> Answers:
    """Two models of like quality that differ on a share of the rows, as two training runs do."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(6), COUNTS)
    wrong = (truth + rng.integers(1, 6, size=len(truth))) % 6
    champion = np.where(rng.random(len(truth)) < accuracy, truth, wrong)
    challenger = champion.copy()
    swap = rng.permutation(len(truth))
    right = swap[champion[swap] == truth[swap]][: round(changed * len(truth))]
    bad = swap[champion[swap] != truth[swap]][: round(changed * len(truth))]
    challenger[right], challenger[bad] = wrong[right], truth[bad]
    return Answers("emotion", "release", truth, champion, challenger)


def changed(base: Answers, challenger: np.ndarray) -> Answers:
    return Answers(base.task, base.rows, base.truth, base.champion, challenger)


def failed(lines: list[Line]) -> list[tuple[str, str]]:
    return [(line.check, line.subject) for line in lines if not line.passed]


def test_class_that_lost_half_its_rows_is_refused_by_name() -> None:
    base = answers(changed=0)
    challenger = base.champion.copy()
    love = np.flatnonzero((base.truth == LOVE) & (base.champion == LOVE))
    challenger[love[::2]] = JOY
    others = np.flatnonzero(base.champion != base.truth)  # and it gains as many rows elsewhere
    challenger[others] = base.truth[others]
    found = compare_answers([changed(base, challenger)], Bounds())
    assert failed(found) == [("class recall", "love, release")]
    [better] = [line for line in found if line.check == "better"]
    assert better.passed


def test_small_loss_of_a_large_class_is_let_pass_however_certain() -> None:
    base = answers(accuracy=1, changed=0)
    for lost, passes in ((10, True), (11, False)):
        challenger = base.truth.copy()
        challenger[np.flatnonzero(base.truth == JOY)[:lost]] = SADNESS
        found = compare_answers([changed(base, challenger)], Bounds())
        [joy] = [line for line in found if line.subject == "joy, release"]
        assert joy.passed == passes, joy  # 3 points of 335 rows


def test_better_balanced_model_is_not_held_to_the_recall_of_one_that_saw_a_class_everywhere() -> (
    None
):
    base = answers(accuracy=0.95, changed=0)
    greedy, balanced = base.champion.copy(), base.champion.copy()
    love, joy = (np.flatnonzero(base.truth == label) for label in (LOVE, JOY))
    greedy[love], greedy[joy[:60]] = LOVE, LOVE
    balanced[love[:10]], balanced[joy] = JOY, JOY
    found = compare_answers([Answers("emotion", "release", base.truth, greedy, balanced)], Bounds())
    assert failed(found) == []
    [line] = [line for line in found if line.subject == "love, release"]
    assert "paid back in precision" in line.detail


def test_identical_model_is_not_worse_but_no_better() -> None:
    base = answers()
    assert failed(compare_answers([changed(base, base.champion)], Bounds())) == [
        ("better", "at least one")
    ]


def test_much_better_model_passes_every_line() -> None:
    base = answers(accuracy=0.88, changed=0)
    challenger = base.champion.copy()
    wrong = np.flatnonzero(base.champion != base.truth)
    challenger[wrong[::2]] = base.truth[wrong[::2]]
    found = compare_answers([changed(base, challenger)], Bounds())
    assert failed(found) == []
    assert len(found) == 2 + 6 + 1


def test_loss_all_over_is_refused_by_the_figures_of_the_whole() -> None:
    base = answers(changed=0)
    challenger = base.champion.copy()
    right = np.random.default_rng(1).permutation(np.flatnonzero(base.champion == base.truth))
    challenger[right[:30]] = (base.truth[right[:30]] + 1) % 6
    assert ("accuracy", "emotion, release") in failed(
        compare_answers([changed(base, challenger)], Bounds())
    )


def test_models_of_like_quality_are_seldom_called_worse() -> None:
    refused = [
        failed([line for line in compare_answers([answers(seed)], Bounds(resamples=2000))
                if line.check != "better"])
        for seed in range(40)
    ]  # fmt: skip
    assert sum(map(bool, refused)) <= 6


def test_margin_widens_where_live_rows_are_few_and_too_few_are_not_judged() -> None:
    base = answers()
    some = np.random.default_rng(2).permutation(1000)

    def live(rows: int) -> list[Line]:
        part = some[:rows]
        one = Answers("emotion", "live", base.truth[part], base.champion[part],
                      base.challenger[part])  # fmt: skip
        return compare_answers([one], Bounds())

    assert live(250)[0].bound == pytest.approx(-2 * Bounds().accuracy)
    assert "49 rows" in live(49)[0].detail
    assert live(49)[0].passed
    assert failed(live(49)) == [("better", "at least one")]


def test_behaviour_may_fall_by_what_chance_explains_and_no_more() -> None:
    def passed(*pairs: tuple[int, int, int]) -> list[bool]:
        old = [Behaviour(str(n), "invariance", cases, before) for n, (cases, before, _) in
               enumerate(pairs)]  # fmt: skip
        new = [Behaviour(str(n), "invariance", cases, after) for n, (cases, _, after) in
               enumerate(pairs)]  # fmt: skip
        return [line.passed for line in compare_behaviour(old, new, Bounds())]

    assert passed((100, 100, 95), (100, 100, 94), (900, 900, 900)) == [True, False, True, True]
    assert passed((30, 30, 28), (30, 30, 27), (900, 900, 900)) == [True, False, True, True]
    assert passed((18, 9, 6), (18, 9, 3), (900, 900, 900)) == [True, False, True, True]
    assert passed((500, 400, 381), (500, 400, 381)) == [True, True, False]  # a little everywhere


@pytest.mark.alone
def test_slower_graph_is_refused_and_the_same_graph_is_not(tmp_path: Path) -> None:
    texts = ["i feel so happy about the vote"] * 8
    slow = Classifier(open_model_folder(slow_down(copy_starter(tmp_path / "slow"))), 1)
    fast = Classifier(open_model_folder(STARTER), 1)
    same = Classifier(open_model_folder(STARTER), 1)
    assert slow.score(texts).emotions == pytest.approx(fast.score(texts).emotions, abs=1e-6)

    def passes(challenger: Classifier) -> bool:
        times = interleaved_ms(fast, challenger, texts, lambda *_: None)
        return compare_latency(*times, Bounds()).passed

    assert not passes(slow)
    # Another test on the other core may slow one of the two: seldom thrice in a row.
    assert any(passes(same) for _ in range(3))


def test_release_rows_judge_only_models_that_set_them_apart(tmp_path: Path) -> None:
    write_rows(tmp_path)
    where = {task: str(tmp_path / task) for task in ("emotion", "sentiment")}
    digests = {task: load_task(task, path).release_digest() for task, path in where.items()}
    new = open_model_folder(copy_starter(tmp_path / "new", digests))
    half = open_model_folder(copy_starter(tmp_path / "half", {"emotion": digests["emotion"]}))
    assert [rows.name for rows in held_out(where, new, new, None)] == ["release", "release"]
    mixed = held_out(where, new, half, None)
    assert [(rows.task, rows.name) for rows in mixed] == [
        ("emotion", "release"), ("sentiment", "validation"),
    ]  # fmt: skip
    assert "may have learnt" in mixed[1].note
    old = held_out(where, open_model_folder(STARTER), new, None)
    assert [(rows.name, rows.candidates) for rows in old] == [("validation", 1)] * 2
    metrics = json.loads((new.path / "metrics.json").read_text())
    (new.path / "metrics.json").write_text(json.dumps({**metrics, "search": {"trials": 8}}))
    searched = held_out(where, open_model_folder(STARTER), new, None)
    assert [(rows.name, rows.candidates) for rows in searched] == [("validation", 8)] * 2
    assert "among 8" in searched[0].note


def test_more_row_sets_do_not_loosen_the_guard_of_a_class_nor_chance_excuse_a_great_loss() -> None:
    base = answers(accuracy=1, changed=0)
    other = Answers("sentiment", "live", *[np.repeat(np.arange(3), 100)] * 3)
    surprise = np.flatnonzero(base.truth == EMOTIONS.index("surprise"))
    for lost, passes in ((5, True), (6, False)):  # of 36; six are what chance explains
        challenger = base.truth.copy()
        challenger[surprise[:lost]] = JOY
        for sets in ([changed(base, challenger)], [changed(base, challenger), other]):
            found = compare_answers(sets, Bounds())
            [line] = [line for line in found if line.subject == "surprise, release"]
            assert line.passed == passes, line


def test_rows_that_chose_among_many_ask_for_more_than_rows_that_did_not() -> None:
    base = answers(accuracy=0.9, changed=0)
    challenger = base.champion.copy()
    mended = np.flatnonzero(base.champion != base.truth)[:5]
    challenger[mended] = base.truth[mended]
    one = changed(base, challenger)
    found = {n: compare_answers([replace(one, candidates=n)], Bounds())[-1] for n in (1, 8)}
    assert (found[1].check, found[1].passed, found[8].passed) == ("better", True, False)


def test_live_labels_by_name_without_the_public_texts(tmp_path: Path) -> None:
    rows = [
        {"text": "Trains on time, lovely!", "emotion": "joy", "sentiment": "positive"},
        {"text": "i feel sad today", "emotion": "sadness"},
        {"text": "delayed once more", "emotion": None, "sentiment": "negative"},
        {"text": "late, late, late", "emotion": "anger", "source": "reddit"},
        {"text": "I FEEL SAD TODAY", "emotion": "joy", "may_train": False},
    ]
    file = tmp_path / "live.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    emotion, sentiment = read_live(file, {fingerprint("I feel sad today!")})
    assert (emotion.rows.texts, emotion.rows.labels) == (["Trains on time, lovely!"], [1])
    assert emotion.note == (
        "1 left out as public, 1 left out as from reddit, whose terms forbid it, "
        "1 left out as marked may_train false"
    )
    assert sentiment.rows.labels == [2, 0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "x", "emotion": "bliss"}', "emotion 'bliss' is unknown"),
        ('{"text": "x", "sentiment": ["a"]}', "is unknown"),
        ('{"text": "x"}', "an emotion or a sentiment"),
        ('{"emotion": "joy"}', "an object with a text"),
        ('{"text": ', "line 2: not valid JSON"),
    ],
)
def test_unusable_live_label_is_named(tmp_path: Path, line: str, reason: str) -> None:
    file = tmp_path / "live.jsonl"
    file.write_text('{"text": "fine", "emotion": "joy"}\n' + line)
    with pytest.raises(DataError, match=reason):
        read_live(file, set())


def test_lost_class_of_a_real_graph_is_never_answered(tmp_path: Path) -> None:
    folder = lose_class(copy_starter(tmp_path / "lost"), "love")
    model = Classifier(open_model_folder(folder), 1)
    answer = model.score(["i love you tenderly", "i feel loving and caring"]).emotions.argmax(1)
    assert LOVE not in answer
