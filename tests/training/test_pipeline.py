"""The whole training path on a tiny encoder: fine-tune, export, measure, register, serve."""

import json
import math
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    DistilBertTokenizerFast,
)

from barometer.errors import DataError, InputError, ModelError, NotFoundError, UnavailableError
from barometer.labels import EMOTIONS, TASKS
from barometer.settings import REPOSITORY, Settings
from barometer.tracking import CHALLENGER, CHAMPION, mlflow_client
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.registry import fetch, load_champion, version_of, versions
from training.data import load_task
from training.finetune import Epoch, logits_of
from training.losses import NO_LABEL, class_weights, joint_loss
from training.recipe import Recipe
from training.register import ensure_champion, register
from training.train import Origin, train

Trained = tuple[Path, Path, list[Epoch], list[int]]


@pytest.fixture(scope="module")
def trained(rows: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    epochs: list[Epoch] = []
    steps: list[int] = []
    recipe = Recipe(epochs=6, learning_rate=3e-3, batch_size=16, max_tokens=32, warmup=0)
    train(
        Origin(str(base), str(rows / "emotion"), str(rows / "sentiment")), recipe,
        folder / "checkpoint", folder / "tiny", lambda done, *_: steps.append(done), epochs.append,
        final=True,
    )  # fmt: skip
    return folder / "checkpoint", folder / "tiny", epochs, steps


def test_training_learns_both_tasks_and_tells_its_progress(trained: Trained) -> None:
    _, folder, epochs, steps = trained
    assert steps == list(range(1, 6 * math.ceil(648 / 16) + 1))
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    metrics = json.loads((folder / "metrics.json").read_text())
    for split in ("validation", "test"):
        for task in TASKS:
            assert metrics[split][task]["accuracy"] > 0.95
    assert metrics["recipe"]["epochs"] == 6
    assert metrics["train_rows"] == {"emotion": 324, "sentiment": 324}
    assert "tiny" in (folder / "README.md").read_text()


def test_graph_is_fused_quantised_and_says_what_the_checkpoint_says(
    trained: Trained, rows: Path
) -> None:
    checkpoint, folder, _, _ = trained
    operators = [node.op_type for node in onnx.load(folder / "model.onnx").graph.node]
    assert operators.count("QAttention") == 2
    assert operators.count("SkipLayerNormalization") == 4
    assert (
        operators.count("QEmbedLayerNormalization") + operators.count("EmbedLayerNormalization")
        == 1
    )
    assert "MatMul" not in operators
    data = load_task("emotion", str(rows / "emotion"))
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    tokenizer = DistilBertTokenizerFast.from_pretrained(checkpoint)
    expected = logits_of(model, tokenizer, data.validation, 32)
    classifier = Classifier(open_model_folder(folder), threads=1)
    actual, _ = classifier.logits(data.validation.texts)
    agree = (expected[:, :6].argmax(1) == actual[:, :6].argmax(1)).mean()
    assert agree > 0.97
    assert classifier.pooled(["i feel today"]).shape == (1, 32)
    config = json.loads((folder / "config.json").read_text())
    assert list(config["id2label"].values())[:6] == list(EMOTIONS)
    assert all(value > 0 for value in config["barometer"]["temperatures"].values())


def test_registered_champion_is_what_the_service_loads(
    trained: Trained, settings: Settings
) -> None:
    _, folder, _, _ = trained
    with pytest.raises(NotFoundError, match="champion"):
        load_champion(settings)
    assert ensure_champion(settings, folder) == "1"
    assert ensure_champion(settings, folder) == "1"
    assert register(settings, folder) == "2"
    client = mlflow_client(settings)
    assert version_of(client, settings.model_name, CHAMPION) == "1"
    assert version_of(client, settings.model_name, CHALLENGER) == "2"
    loaded = load_champion(settings)
    assert loaded.version == "1"
    assert EMOTIONS[loaded.classifier.score(["i feel rage"]).emotions[0].argmax()] == "anger"
    assert (fetch(settings, "1") / "model.onnx").read_bytes() == (
        folder / "model.onnx"
    ).read_bytes()
    listed = versions(settings)
    assert [(v.version, v.aliases) for v in listed] == [("2", (CHALLENGER,)), ("1", (CHAMPION,))]
    assert (listed[0].metric("emotion.accuracy") or 0) > 0.95


def test_incomplete_folder_changes_nothing_in_the_registry(
    trained: Trained, settings: Settings, tmp_path: Path
) -> None:
    _, folder, _, _ = trained
    ensure_champion(settings, folder)
    with pytest.raises(ModelError, match=r"lacks model\.onnx"):
        register(settings, tmp_path)
    assert [version.version for version in versions(settings)] == ["1"]


def test_class_weights_balance_by_their_power() -> None:
    counts = [400, 100]
    assert class_weights(counts, 0).tolist() == [1, 1]
    weights = class_weights(counts, 1)
    assert (weights[1] / weights[0]).item() == pytest.approx(4)
    assert (weights * torch.tensor(counts)).sum().item() == pytest.approx(500)
    half = class_weights(counts, 0.5)
    assert (half[1] / half[0]).item() == pytest.approx(2)


def test_row_counts_for_its_own_task_only() -> None:
    logits = torch.zeros(2, 9, requires_grad=True)
    labels = {"emotion": torch.tensor([1, NO_LABEL]), "sentiment": torch.tensor([NO_LABEL, 2])}
    weights = {"emotion": torch.ones(6), "sentiment": torch.ones(3)}
    loss = joint_loss(logits, labels, weights, {"emotion": 1.0, "sentiment": 1.0}, 0.0)
    assert loss.item() == pytest.approx((math.log(6) + math.log(3)) / 2)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0, 6:].abs().sum() == 0
    assert logits.grad[1, :6].abs().sum() == 0


def test_text_in_two_splits_is_dropped_from_train_and_counted(rows: Path, tmp_path: Path) -> None:
    folder = tmp_path / "overlap"
    folder.mkdir()
    for split in ("train", "validation", "test"):
        lines = (rows / "emotion" / f"{split}.jsonl").read_text()
        (folder / f"{split}.jsonl").write_text(lines)
    leaked = json.loads((folder / "test.jsonl").read_text().splitlines()[0])
    leaked["text"] = leaked["text"].upper() + "!!"
    with (folder / "train.jsonl").open("a") as file:
        file.write(json.dumps(leaked) + "\n")
    data = load_task("emotion", str(folder))
    assert data.dropped == 1
    assert len(data.train) + len(data.release) == 360


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "x", "label": 6}', "label 6 is unknown"),
        ('{"text": "x", "label": "joy"}', "'joy' is unknown"),
        ('{"text": "x", "mood": 1}', "columns text and label"),
        ("{broken", "not valid JSON"),
    ],
)
def test_unusable_rows_are_named(rows: Path, tmp_path: Path, line: str, reason: str) -> None:
    for split in ("validation", "test"):
        content = (rows / "emotion" / f"{split}.jsonl").read_text()
        (tmp_path / f"{split}.jsonl").write_text(content)
    (tmp_path / "train.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match=reason):
        load_task("emotion", str(tmp_path))


def test_missing_split_and_base_without_tokenizer_are_named(
    base: Path, rows: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"no train\.jsonl"):
        load_task("emotion", str(tmp_path))
    (tmp_path / "config.json").write_text((base / "config.json").read_text())
    origin = Origin(str(tmp_path), str(rows / "emotion"), str(rows / "sentiment"))
    with pytest.raises(ModelError, match=str(tmp_path)):
        train(
            origin,
            Recipe(epochs=1),
            tmp_path / "c",
            tmp_path / "t",
            lambda *_: None,
            lambda _: None,
        )
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("name", [".", "notes"])
def test_training_replaces_no_folder_but_a_model(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("dear diary")
    origin = Origin("base", "emotion", "sentiment")
    with pytest.raises(InputError, match="target"):
        train(
            origin, Recipe(), tmp_path / "c", tmp_path / "notes" if name == "notes" else Path(name),
            lambda *_: None, lambda _: None,
        )  # fmt: skip
    assert (tmp_path / "notes" / "diary.txt").exists()


def test_local_rows_ask_nobody_outside(rows: Path) -> None:
    spy = (
        "import socket, sys\n"
        "asked = []\n"
        "socket.getaddrinfo = lambda host, *rest, **more: asked.append(host) or [][0]\n"
        "from training.data import load_task\n"
        "load_task('emotion', sys.argv[1])\n"
        "print(asked)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", spy, str(rows / "emotion")],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout.splitlines()[-1] == "[]"


def test_hub_that_cannot_be_reached_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UnavailableError, match="BAROMETER_EMOTION_DATA"):
        load_task("emotion", "nobody/no-such-rows")


def test_release_split_is_fixed_stratified_and_in_no_other_split(
    rows: Path, tmp_path: Path
) -> None:
    data = load_task("emotion", str(rows / "emotion"))
    for split in ("train", "validation", "test"):
        lines = (rows / "emotion" / f"{split}.jsonl").read_text().splitlines(keepends=True)
        (tmp_path / f"{split}.jsonl").write_text("".join(reversed(lines)))
    again = load_task("emotion", str(tmp_path))
    assert again.release == data.release
    assert again.release_digest() == data.release_digest()
    assert again.digest() == data.digest()
    assert len(data.release) == 36
    assert not {*data.release.texts} & {*data.train.texts, *data.validation.texts, *data.test.texts}
    for label in range(6):
        share = data.release.labels.count(label) / len(data.release)
        assert share == pytest.approx(data.train.labels.count(label) / len(data.train), abs=0.03)
