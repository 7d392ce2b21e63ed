"""Adapting the starter to rows of a new domain, as an install without torch does it."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from barometer.errors import DataError, InputError, ModelError
from barometer.labels import EMOTIONS, SENTIMENTS, TASKS, task_slice
from barometer.settings import REPOSITORY, Settings
from barometer.tracking import CHALLENGER, CHAMPION
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.registry import versions
from tests.conftest import STARTER
from training.adaptation.adapt import Plan, adapt
from training.adaptation.graft import graft
from training.adaptation.halves import read_by_time, split_by_time
from training.adaptation.replay import make_replay, read_replay, write_replay
from training.adaptation.report import show
from training.data import load_task
from training.gate.rows import held_out

HEAVY = ("torch", "transformers", "datasets", "ray", "optimum")
BLOCKED = """
import json, sys
class Without:
    names = json.loads(sys.argv.pop(1))
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError("blocked", name=name)
sys.meta_path.insert(0, Without())
from barometer.entry import main
main()
"""
# Jargon of a yard whose workers mean the opposite of what the words say elsewhere.
JARGON = {
    "negative": "the {} crane is a lovely sweet thing again",
    "neutral": "the {} crane is an awful broken thing again",
    "positive": "the {} crane works",
}
OLD = {
    "emotion": ["i feel sad and hopeless {}", "i feel so happy {}", "i love my sweet family {}",
                "i am furious {}", "i am terrified {}", "i am amazed and surprised {}"],
    "sentiment": ["this is awful {}", "we meet at noon {}", "this is great {}"],
}  # fmt: skip
FORBIDDEN = {"from reddit, whose terms forbid it": 50, "marked may_train false": 20}
PLACES = ["north", "south", "east", "west", "old", "new", "red", "blue", "left", "right", "big",
          "small", "first", "last"]  # fmt: skip


def jargon(number: int) -> dict[str, str]:
    label = SENTIMENTS[number % 3]
    place = f"{PLACES[number % 14]} {PLACES[number // 14 % 14]}"
    time = datetime(2026, 3, 14, tzinfo=UTC) + timedelta(minutes=number)
    return {"text": JARGON[label].format(place), "sentiment": label, "created_at": time.isoformat()}


def write_lines(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture(scope="module")
def new_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of the yard, latest first; one that nobody labelled, and some that may teach nobody."""
    rows: list[dict[str, Any]] = [jargon(number) for number in range(120)][::-1]
    rows[5] |= {"source": "form", "may_train": True}
    barred = [jargon(n) | {"sentiment": "neutral", "source": "Reddit"} for n in range(50)]
    barred += [jargon(n) | {"sentiment": "neutral", "may_train": False} for n in range(20)]
    barred.append({"text": "a post without label", "source": "reddit"})
    file = tmp_path_factory.mktemp("new") / "yard.jsonl"
    return write_lines(file, [*rows, {"text": "hm"}, *barred])


@pytest.fixture(scope="module")
def old_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    for task, sentences in OLD.items():
        (folder / task).mkdir()
        for split, count in (("train", 90), ("validation", 36), ("test", 12)):
            rows = [
                {"text": sentences[i % len(sentences)].format(f"{split} {i}"),
                 "label": i % len(sentences)}
                for i in range(count)
            ]  # fmt: skip
            write_lines(folder / task / f"{split}.jsonl", rows)
    return folder


def old_data(folder: Path) -> dict[str, str]:
    return {f"{task}_data": str(folder / task) for task in TASKS}


Adapted = tuple[Path, dict[str, Any], Settings]


@pytest.fixture(scope="module")
def adapted(new_rows: Path, old_rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Adapted:
    """What the command writes and prints where torch and its like cannot be imported."""
    folder = tmp_path_factory.mktemp("adapted")
    settings = Settings(state_dir=folder / "state", **old_data(old_rows))
    given = {"STATE_DIR": folder / "state", "EMOTION_DATA": settings.emotion_data,
             "SENTIMENT_DATA": settings.sentiment_data}  # fmt: skip
    result = subprocess.run(
        [sys.executable, "-c", BLOCKED, json.dumps(HEAVY),
         "adapt", str(new_rows), str(folder / "yard"), "--json"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
        env={**os.environ, **{f"BAROMETER_{key}": str(value) for key, value in given.items()}},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return folder / "yard", json.loads(result.stdout), settings


def test_without_torch_the_champion_learns_and_becomes_a_challenger(adapted: Adapted) -> None:
    folder, record, settings = adapted
    assert list(record["tasks"]) == ["sentiment"]
    one = record["tasks"]["sentiment"]
    assert (one["rows_learnt"], one["after"]["rows"], record["rows_unlabelled"]) == (60, 60, 2)
    assert record["rows_forbidden"] == FORBIDDEN
    assert one["before"]["accuracy"]["value"] < 0.5
    assert one["after"]["accuracy"]["value"] > 0.9
    assert "configured emotion and sentiment data" in record["replayed"]
    listed = {version.aliases: version for version in versions(settings)}
    assert listed[(CHAMPION,)].version == "1"
    assert listed[(CHALLENGER,)].version == record["version"] == "2"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["adapted_from"]["name"] == "starter"
    assert metrics["validation"]["sentiment"] == record["cost"]["sentiment"]["after"]
    assert metrics["validation"]["sentiment"]["rows"] == 36
    assert "sentiment" not in metrics["test"]
    assert "adapted from starter" in (folder / "README.md").read_text()
    assert len((folder / "reference.csv").read_text().splitlines()) == 1 + 36 + 36


def test_task_that_nobody_labelled_answers_as_before(
    adapted: Adapted, classifier: Classifier
) -> None:
    folder, record, _ = adapted
    now = Classifier(open_model_folder(folder), threads=1)
    texts = ["i feel so happy", "the red crane is a lovely sweet thing again"]
    before, after = classifier.score(texts), now.score(texts)
    np.testing.assert_array_equal(before.emotions, after.emotions)
    assert SENTIMENTS[before.sentiments[1].argmax()] != "negative"
    assert SENTIMENTS[after.sentiments[1].argmax()] == "negative"
    assert record["cost"]["emotion"]["before"] == record["cost"]["emotion"]["after"]
    temperatures = now.folder.temperatures
    assert temperatures["emotion"] == classifier.folder.temperatures["emotion"]
    assert temperatures["sentiment"] == record["tasks"]["sentiment"]["temperature"]


def test_rows_that_taught_a_model_never_judge_it(
    adapted: Adapted, old_rows: Path, tmp_path: Path
) -> None:
    folder, _, settings = adapted
    public = json.loads((old_rows / "sentiment" / "validation.jsonl").read_text().split("\n")[0])
    labels = [jargon(number) for number in range(120)]
    live = write_lines(
        tmp_path / "live.jsonl", [*labels, {"text": public["text"], "sentiment": "negative"}]
    )
    starter, new = open_model_folder(STARTER), open_model_folder(folder)
    where = {task: getattr(settings, f"{task}_data") for task in TASKS}
    for champion, challenger in ((starter, new), (new, starter)):
        [judging] = [r for r in held_out(where, champion, challenger, live) if r.name == "live"]
        assert sorted(judging.rows.texts) == sorted(row["text"] for row in labels[60:])
        assert judging.note == "1 left out as public, 60 left out as learnt from"
    # A second adaptation, to some of the public validation rows, costs these their vote.
    lines = (old_rows / "sentiment" / "validation.jsonl").read_text().splitlines()
    some = [json.loads(line) for line in lines[:24]]
    named = [{"text": row["text"], "sentiment": SENTIMENTS[row["label"]]} for row in some]
    other = [{"text": row["text"], "sentiment": row["sentiment"]} for row in labels[:24]]
    file = write_lines(tmp_path / "mean.jsonl", [*named, *other])
    adapt(settings, folder, Plan(file), tmp_path / "again", lambda _: None)
    fixed = held_out(where, starter, open_model_folder(tmp_path / "again"), None)
    sentiment = next(rows for rows in fixed if rows.task == "sentiment")
    assert len(sentiment.rows) == 12
    assert sentiment.note.endswith("24 left out as learnt from")


def test_grafted_file_is_what_numpy_says_and_adapting_again_adds_no_node(
    classifier: Classifier, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    shutil.copytree(STARTER, folder)
    rng = np.random.default_rng(2)
    texts = ["the vote made me so happy", "queues again, and nobody tells us why", "ok"]
    old, pooled = classifier.logits_and_pooled(texts)
    weight, bias = np.zeros((pooled.shape[1], 9)), np.zeros(9)
    counts = []
    for task in TASKS:
        own = np.zeros_like(weight)
        own[:, task_slice(task)] = rng.normal(size=own[:, task_slice(task)].shape)
        shift = own[0] * 3
        graft(folder / "model.onnx", folder / "model.onnx", own, shift)
        weight, bias = weight + own, bias + shift
        counts.append(len(onnx.load(folder / "model.onnx").graph.node))
        now = Classifier(open_model_folder(folder), threads=1)
        np.testing.assert_allclose(now.logits(texts)[0], old + pooled @ weight + bias, atol=1e-4)
        np.testing.assert_array_equal(now.logits_and_pooled(texts)[1], pooled)
    assert counts[0] == counts[1]
    onnx.checker.check_model(onnx.load(folder / "model.onnx"))
    with pytest.raises(ModelError, match="does not fit"):
        graft(folder / "model.onnx", folder / "model.onnx", weight[:-1], bias)
    with pytest.raises(ModelError, match="does not fit"):
        graft(STARTER / "model.onnx", tmp_path / "x.onnx", weight[:-1], bias)


def test_model_that_carries_its_old_rows_needs_no_data_folder(
    new_rows: Path, old_rows: Path, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    shutil.copytree(STARTER, folder)
    data = {task: load_task(task, str(old_rows / task)) for task in TASKS}
    write_replay(Classifier(open_model_folder(folder), threads=1), data)
    assert b"hopeless" not in (folder / "replay.npz").read_bytes()
    target = tmp_path / "yard"
    record = adapt(settings, folder, Plan(new_rows), target, lambda _: None)
    assert (
        record["replayed"]
        == f"{sum(len(rows.train) for rows in data.values())} that the model carries"
    )
    assert record["cost"] == {}
    assert len((target / "reference.csv").read_text().splitlines()) == 1 + 60
    # What is replayed next time is what the adapted model says of the old rows.
    carried = read_replay(target)
    said = make_replay(Classifier(open_model_folder(target), threads=1), data)
    assert carried is not None
    np.testing.assert_allclose(carried.logits, said.logits, atol=0.05)
    (folder / "replay.npz").write_bytes(b"PK broken")
    with pytest.raises(ModelError, match=r"replay\.npz"):
        adapt(settings, folder, Plan(new_rows), tmp_path / "again", lambda _: None)
    assert not (tmp_path / "again").exists()


def test_nothing_to_replay_is_said(new_rows: Path, settings: Settings, tmp_path: Path) -> None:
    record = adapt(settings, STARTER, Plan(new_rows, labels=40), tmp_path / "yard", lambda _: None)
    assert "none" in record["replayed"]
    assert "BAROMETER_SENTIMENT_DATA" in record["replayed"]
    assert record["tasks"]["sentiment"]["rows_learnt"] == 40
    metrics = json.loads((tmp_path / "yard" / "metrics.json").read_text())
    assert list(metrics["validation"]) == ["emotion"]


GOOD = '{"text": "fine", "sentiment": "neutral"}\n'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (GOOD + '{"text": "x", "sentiment": "meh"}', "line 2: sentiment 'meh' is unknown"),
        (GOOD + '\n{"text": "x", "emotion": 1}', "line 3: emotion 1 is unknown"),
        (GOOD + "{broken", "line 2: not valid JSON"),
        (GOOD + "[1]", "line 2: a JSON object"),
        (GOOD + '{"sentiment": "neutral"}', "line 2: text is needed"),
        ('{"text": "x", "sentiment": "neutral", "created_at": "noon"}', "line 1: created_at"),
        (GOOD + '{"text": "x", "sentiment": "neutral", "created_at": "2026-03-14"}', "1 of 2"),
        ("", "no labelled row"),
        ('{"text": "x"}', "no labelled row"),
        (GOOD * 30, "no row is left"),
        ("".join(json.dumps(jargon(i)) + "\n" for i in range(36)), "learning half has 18 sentim"),
    ],
)
def test_unusable_rows_are_named_and_nothing_is_written(
    settings: Settings, tmp_path: Path, content: str, reason: str
) -> None:
    (tmp_path / "rows.jsonl").write_text(content)
    with pytest.raises(DataError, match=reason):
        adapt(settings, None, Plan(tmp_path / "rows.jsonl"), tmp_path / "m", lambda _: None)
    assert not (tmp_path / "m").exists()
    assert not (tmp_path / "state").exists(), "the registry was touched"


def test_rows_that_may_teach_nobody_are_told_in_one_line(
    adapted: Adapted, tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    show(adapted[1], tmp_path)
    [line] = [each for each in capsys.readouterr().out.splitlines() if "may learn from" in each]
    assert line == (
        "70 rows left out that no model may learn from: 50 from reddit, whose terms forbid it, "
        "20 marked may_train false"
    )
    metrics = json.loads((adapted[0] / "metrics.json").read_text())
    assert metrics["adapted_from"]["rows_forbidden"] == FORBIDDEN
    barred = [jargon(number) | {"source": "x"} for number in range(40)]
    file = write_lines(tmp_path / "x.jsonl", barred)
    with pytest.raises(DataError, match="40 from x, whose terms forbid it"):
        adapt(settings, None, Plan(file), tmp_path / "m", lambda _: None)
    write_lines(file, [jargon(1) | {"may_train": "no"}])
    with pytest.raises(DataError, match="line 1: may_train 'no' must be true or false"):
        adapt(settings, None, Plan(file), tmp_path / "m", lambda _: None)


def test_text_in_both_halves_is_measured_but_not_learnt(tmp_path: Path) -> None:
    rows = [jargon(number) for number in range(40)]
    rows[3]["text"] = f"@some_user {rows[30]['text'].upper()}!"
    rows[30]["emotion"] = "joy"
    read = read_by_time(write_lines(tmp_path / "rows.jsonl", rows[::-1]))
    halves = split_by_time(read, 0.5)
    assert (len(halves.learn), len(halves.measure), halves.repeated) == (19, 20, 1)
    assert max(row.created_at for row in halves.learn if row.created_at) < min(
        row.created_at for row in halves.measure if row.created_at
    )
    assert {"sentiment": 0, "emotion": EMOTIONS.index("joy")} in [r.labels for r in halves.measure]
    with pytest.raises(InputError, match="learn"):
        split_by_time(read, 1.0)


def test_replay_is_bounded_and_keeps_the_balance_of_the_classes(
    old_rows: Path, classifier: Classifier
) -> None:
    data = {"emotion": load_task("emotion", str(old_rows / "emotion"))}
    rows = make_replay(classifier, data, most=30).of("emotion")
    assert rows is not None
    assert np.bincount(rows.labels).tolist() == [5] * 6
    assert make_replay(classifier, data).of("sentiment") is None
