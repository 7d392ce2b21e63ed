"""The whole training path on a tiny encoder: fine-tune, export, measure, register, serve."""

import json
import math
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    DistilBertTokenizerFast,
)

from barometer.errors import (
    DataError,
    InputError,
    ModelError,
    NotFoundError,
    StorageError,
    UnavailableError,
)
from barometer.labels import EMOTIONS, TASKS
from barometer.settings import REPOSITORY, Settings
from barometer.tracking import CHALLENGER, CHAMPION, mlflow_client
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.registry import fetch, load_champion, version_of, versions
from tests.training.conftest import Trained
from training.data import load_task
from training.data_report import write_data_report
from training.experiment import Audience, run_experiment
from training.finetune import Finetuning, logits_of
from training.graph import check_fused
from training.losses import NO_LABEL, class_weights, joint_loss
from training.origin import Origin
from training.parity import check_parity, parity_table
from training.recipe import Recipe
from training.register import ensure_champion, register

SILENT = Audience(lambda _: None, lambda *_: None, lambda _: None, lambda _: None)


def test_training_learns_both_tasks_and_tells_its_progress(trained: Trained) -> None:
    folder, epochs, steps = trained.folder, trained.epochs, trained.steps
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
    checkpoint, folder = trained.checkpoint, trained.folder
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
    assert classifier.logits_and_pooled(["i feel today"])[1].shape == (1, 32)
    config = json.loads((folder / "config.json").read_text())
    assert list(config["id2label"].values())[:6] == list(EMOTIONS)
    assert all(value > 0 for value in config["barometer"]["temperatures"].values())


def test_registered_champion_is_what_the_service_loads(
    trained: Trained, settings: Settings
) -> None:
    folder = trained.folder
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


def test_export_compares_three_forms_and_refuses_another_model(trained: Trained) -> None:
    torch_form, plain, quantised = trained.variants
    assert plain.difference < 1e-4
    assert plain.agreement == 1
    assert quantised.megabytes < plain.megabytes < torch_form.megabytes * 1.5
    assert torch_form.ms is None
    assert quantised.speed == pytest.approx(plain.ms / quantised.ms, rel=0.1)
    rows = {name: cells for name, *cells in parity_table(trained.variants)[1]}
    assert rows["ms a text, one thread"] == ["-", f"{plain.ms:.2f}", f"{quantised.ms:.2f}"]
    assert rows["speed, one thread"] == ["-", "1.00x", f"{quantised.speed:.2f}x"]
    check_parity(trained.variants)
    lost = {task: value - 0.004 for task, value in torch_form.accuracy.items()}
    with pytest.raises(ModelError, match=r"INT8 loses 0\.40 points of emotion"):
        check_parity([torch_form, plain, replace(quantised, accuracy=lost)])
    with pytest.raises(ModelError, match="differs from PyTorch"):
        check_parity([torch_form, replace(plain, difference=0.1), quantised])
    with pytest.raises(ModelError, match="activation of 1 of 2"):
        check_fused({"Attention": 2, "SkipLayerNormalization": 4, "BiasGelu": 1}, 2)


def test_incomplete_folder_changes_nothing_in_the_registry(
    trained: Trained, settings: Settings, tmp_path: Path
) -> None:
    folder = trained.folder
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


def test_rows_that_may_teach_nobody_are_left_out_and_reported(rows: Path, tmp_path: Path) -> None:
    before = load_task("emotion", str(rows / "emotion"))
    for split in ("train", "validation", "test"):
        lines = (rows / "emotion" / f"{split}.jsonl").read_text()
        barred = [{"text": f"at x {split}", "label": 1, "source": "X"},
                  {"text": f"not this {split}", "label": 1, "may_train": False}]  # fmt: skip
        content = lines + "".join(json.dumps(row) + "\n" for row in barred)
        (tmp_path / f"{split}.jsonl").write_text(content)
    data = load_task("emotion", str(tmp_path))
    reasons = {"from x, whose terms forbid it": 3, "marked may_train false": 3}
    assert (data.forbidden, data.digest()) == (reasons, before.digest())
    assert write_data_report({"emotion": data}, tmp_path)["emotion"]["forbidden"] == reasons
    assert "6 rows left out that no model may learn from" in (tmp_path / "data.md").read_text()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "x", "label": 6}', "label 6 is unknown"),
        ('{"text": "x", "label": "joy"}', "'joy' is unknown"),
        ('{"text": "x", "mood": 1}', "columns text and label"),
        ('{"text": null, "label": 1}', "train, row 0: text None"),
        ('{"text": "x", "label": 1}\n{"label": 2}', "train, row 1: text None"),
        ("{broken", "not valid JSON"),
        ("", "the train split is empty"),
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
    base: Path, rows: Path, tmp_path: Path, settings: Settings
) -> None:
    with pytest.raises(DataError, match=r"no train\.jsonl"):
        load_task("emotion", str(tmp_path))
    (tmp_path / "config.json").write_text((base / "config.json").read_text())
    origin = Origin(str(tmp_path), str(rows / "emotion"), str(rows / "sentiment"))
    with pytest.raises(ModelError, match=str(tmp_path)):
        run_experiment(settings, origin, Recipe(epochs=1), tmp_path / "t", SILENT)
    assert not (tmp_path / "t").exists()
    client = mlflow_client(settings)
    [run] = client.search_runs(["1"])
    assert run.info.status == "FAILED"  # and it tells all the same what it was to learn from
    assert len(run.data.tags["mlflow.source.git.commit"]) == 40
    assert run.data.params["learning_rate"] == "0.0002"
    told = {item.dataset.name: item.dataset.digest for item in run.inputs.dataset_inputs}
    assert told["emotion"] == load_task("emotion", str(rows / "emotion")).digest()[:36]
    assert {file.path for file in client.list_artifacts(run.info.run_id, "data")} == {
        "data/data.json", "data/data.md", "data/data.png",
    }  # fmt: skip


def test_full_disk_keeps_the_last_checkpoint(base: Path, rows: Path, tmp_path: Path) -> None:
    data = {"emotion": load_task("emotion", str(rows / "emotion"))}
    run = Finetuning(str(base), data, Recipe(epochs=1, max_tokens=32))
    run.save_model(tmp_path / "best")
    before = (tmp_path / "best" / "model.safetensors").read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:  # no file may grow past 4 kB: the kernel refuses the write as it does on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limit[1]))
        with pytest.raises(StorageError, match="make room; the last one is kept"):
            run.save_model(tmp_path / "best")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (tmp_path / "best" / "model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


@pytest.mark.parametrize("name", [".", "notes"])
def test_training_replaces_no_folder_but_a_model(
    tmp_path: Path, settings: Settings, name: str
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("dear diary")
    origin = Origin("base", "emotion", "sentiment")
    target = tmp_path / "notes" if name == "notes" else Path(name)
    with pytest.raises(InputError, match="target"):
        run_experiment(settings, origin, Recipe(), target, SILENT)
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
