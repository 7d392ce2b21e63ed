"""One fine-tuning run: its losses, what it keeps when it is cut short, and how it goes on."""

import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from barometer.errors import InputError, ModelError
from barometer.settings import Settings
from barometer.tracking import mlflow_client
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from training.batches import length_grouped
from training.data import TaskData, load_task
from training.experiment import Audience, run_experiment
from training.finetune import Epoch, Finetuning
from training.imitation import imitate_int8
from training.losses import NO_LABEL, consistency_loss, distillation_loss
from training.notes import NOTES, training_notes
from training.origin import Origin
from training.package import package
from training.recipe import Recipe
from training.runs import Curve, open_run
from training.train import train

QUICK = Recipe(epochs=2, learning_rate=3e-3, batch_size=16, max_tokens=32, warmup=0, dropout=0.1)


@pytest.fixture(scope="module")
def emotion(rows: Path) -> dict[str, TaskData]:
    return {"emotion": load_task("emotion", str(rows / "emotion"))}


def origin_of(base: Path, rows: Path, **more: Any) -> Origin:
    return Origin(str(base), str(rows / "emotion"), str(rows / "sentiment"), **more)


def quiet(*_: object) -> None:
    return None


def weights(run: Finetuning) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in run.model.state_dict().items()}


def first_batch(run: Finetuning) -> Any:
    rng = random.Random(1)  # noqa: S311
    return next(iter(length_grouped(run._rows, 16, rng, run.tokenizer, run.device)))


def test_interrupted_run_keeps_an_exportable_checkpoint_and_the_one_before(
    base: Path, rows: Path, tmp_path: Path
) -> None:
    settings, origin = Settings(state_dir=tmp_path / "state"), origin_of(base, rows)
    before = settings.state / "checkpoints" / "tiny"
    before.mkdir(parents=True)
    (before / "mark").write_text("an earlier run's")
    kept: list[Path] = []

    def interrupt(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_experiment(settings, origin, QUICK.model_copy(update={"epochs": 3}), tmp_path / "tiny",
                       Audience(quiet, quiet, interrupt, quiet, kept.append))  # fmt: skip
    assert (before / "mark").exists()
    assert not (tmp_path / "tiny").exists()
    assert kept == [before.with_name("tiny-unfinished")]
    assert json.loads((kept[0] / NOTES).read_text())["best_epoch"] in (1, 2)
    package(kept[0], origin.load(), tmp_path / "rescued", quiet)
    assert Classifier(open_model_folder(tmp_path / "rescued"), 1).score(["i laugh"]).emotions.any()


def test_store_that_is_away_for_an_epoch_costs_no_figure(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    client = mlflow_client(settings)
    with open_run(settings, "away") as run_id:
        curve = Curve(client, run_id)
        curve.add(1, {"loss": 3.0})
        other = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
        other.execute("ALTER TABLE metrics RENAME TO away")
        curve.add(2, {"loss": 2.0})
        assert other.execute("SELECT count(*) FROM away").fetchone() == (1,)
        other.execute("ALTER TABLE away RENAME TO metrics")
        curve.add(3, {"loss": 1.0})
        curve.finish()
    history = client.get_metric_history(run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 3.0), (2, 2.0), (3, 1.0)]


def test_run_goes_on_exactly_where_it_was_saved(
    base: Path, emotion: dict[str, TaskData], tmp_path: Path
) -> None:
    whole = Finetuning(str(base), emotion, QUICK)
    whole.run_epoch(quiet)
    whole.save_state(tmp_path)
    whole.run_epoch(quiet)
    later = Finetuning(str(base), emotion, QUICK)
    assert not torch.equal(weights(later)["classifier.weight"], weights(whole)["classifier.weight"])
    later.load_state(tmp_path)
    assert (later.epoch, later.step) == (1, whole.step // 2)
    later.run_epoch(quiet)
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(later)[name], value, msg=name)


def test_patience_ends_a_run_that_gets_no_better(base: Path, rows: Path, tmp_path: Path) -> None:
    recipe = QUICK.model_copy(update={"epochs": 6, "patience": 1, "learning_rate": 1e-9})
    ran: list[Epoch] = []
    origin = origin_of(base, rows)
    train(origin, origin.load(), recipe, tmp_path / "c", quiet, ran.append)
    assert 2 <= len(ran) < 6


def test_frozen_words_stay_and_fgm_steps_back(base: Path, emotion: dict[str, TaskData]) -> None:
    name = "distilbert.embeddings.word_embeddings.weight"
    frozen = Finetuning(str(base), emotion, QUICK.model_copy(update={"freeze_words": True}))
    before = weights(frozen)
    frozen.run_epoch(quiet)
    assert torch.equal(weights(frozen)[name], before[name])
    assert not torch.equal(weights(frozen)["classifier.weight"], before["classifier.weight"])
    gradients = []
    for step in (0.0, 0.5):
        recipe = QUICK.model_copy(update={"adversarial": step, "dropout": 0.0})
        run = Finetuning(str(base), emotion, recipe)
        run.model.eval()  # no dropout: only the step may make a difference
        words = weights(run)[name]
        run._backward(first_batch(run))
        torch.testing.assert_close(weights(run)[name], words)
        gradients.append(run.model.classifier.weight.grad.clone())
    # The second pass adds a gradient of about the first one's size, at words moved uphill.
    ratio = float(gradients[1].norm() / gradients[0].norm())
    assert 1.5 < ratio < 3.5
    assert not torch.allclose(gradients[1], 2 * gradients[0], rtol=1e-4)


def test_fgm_moves_the_words_to_where_the_loss_is_higher(
    base: Path, emotion: dict[str, TaskData]
) -> None:
    run = Finetuning(str(base), emotion, QUICK.model_copy(update={"adversarial": 0.5}))
    run.model.eval()
    batch = first_batch(run)
    plain = run._loss(run._forward(batch), batch)
    torch.autograd.backward(plain)
    losses: list[float] = []
    seen = run._loss

    def listening(logits: torch.Tensor, of: Any) -> torch.Tensor:
        loss = seen(logits, of)
        losses.append(float(loss.detach()))
        return loss

    run._loss = listening  # type: ignore[method-assign]
    run._adversarial_backward(batch)
    assert losses[0] > float(plain.detach())


def test_consistency_is_the_mean_symmetric_divergence_of_a_rows_own_task() -> None:
    first, second = torch.zeros(2, 9), torch.zeros(2, 9)
    second[0, 0] = 2.0  # the emotion row: differs
    second[1, 0] = 5.0  # the sentiment row: what it says of emotions counts for nothing
    labels = {"emotion": torch.tensor([1, NO_LABEL]), "sentiment": torch.tensor([NO_LABEL, 2])}
    p, q = np.full(6, 1 / 6), np.exp([2, 0, 0, 0, 0, 0]) / np.exp([2, 0, 0, 0, 0, 0]).sum()
    symmetric = (np.sum(p * np.log(p / q)) + np.sum(q * np.log(q / p))) / 2
    assert float(consistency_loss(first, second, labels)) == pytest.approx(symmetric / 2)
    assert float(consistency_loss(second, second, labels)) == 0


def test_distillation_is_the_cross_entropy_to_the_teacher_in_both_tasks() -> None:
    logits = torch.zeros(1, 9)
    teacher = torch.tensor([[1.0, 0, 0, 0, 0, 0, 0.5, 0.5, 0]])
    assert float(distillation_loss(logits, teacher)) == pytest.approx(np.log(6) + np.log(3))
    logits[0, 0] = 20.0
    assert float(distillation_loss(logits, teacher)) == pytest.approx(np.log(3), abs=1e-3)


def test_imitation_rounds_what_passes_and_lets_gradients_through() -> None:
    torch.manual_seed(1)
    layer = torch.nn.Sequential(torch.nn.Linear(16, 8))
    inputs = torch.randn(4, 16)
    plain = layer(inputs)
    imitate_int8(layer)
    rounded = layer(inputs)
    difference = (rounded - plain).abs()
    assert 0 < float(difference.max()) < 0.05
    weight = layer[0].weight
    assert len(torch.unique((rounded - layer[0].bias).detach())) > 8
    rounded.sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, inputs.sum(0).expand(8, 16), atol=0.1, rtol=0.05)


def test_teacher_that_nothing_would_be_learnt_from_is_refused(
    base: Path, rows: Path, tmp_path: Path
) -> None:
    origin = origin_of(base, rows, teachers=(tmp_path / "teacher",))
    with pytest.raises(InputError, match="distillation is 0"):
        train(origin, {}, QUICK, tmp_path / "c", quiet, quiet)


def test_release_rows_count_as_set_apart_only_where_the_base_has_not_learnt_them(
    base: Path, rows: Path, tmp_path: Path, emotion: dict[str, TaskData]
) -> None:
    def digests(folder: Path) -> dict[str, str]:
        return training_notes(origin_of(folder, rows), emotion, QUICK, 1, 0)["release_digests"]

    own = {"emotion": emotion["emotion"].release_digest()}
    assert digests(base) == own
    finished = tmp_path / "finished"
    Finetuning(str(base), emotion, QUICK).save_model(finished)
    assert digests(finished) == {}
    (finished / NOTES).write_text(json.dumps({"release_digests": own}))
    assert digests(finished) == own
    (finished / NOTES).write_text(json.dumps({"release_digests": {"emotion": "other rows"}}))
    assert digests(finished) == {}


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
def test_corrupt_base_or_checkpoint_is_named(
    base: Path, rows: Path, emotion: dict[str, TaskData], tmp_path: Path, file: str
) -> None:
    broken = tmp_path / "broken"
    Finetuning(str(base), emotion, QUICK).save_model(
        broken, {NOTES: json.dumps({"recipe": QUICK.model_dump()})}
    )
    content = (broken / file).read_bytes()
    (broken / file).write_bytes(content[: len(content) // 2])
    if file == "tokenizer.json":  # or transformers would make another one of the vocabulary
        (broken / "vocab.txt").unlink(missing_ok=True)
    with pytest.raises(ModelError, match=str(broken)):
        Finetuning(str(broken), emotion, QUICK)
    with pytest.raises(ModelError, match=str(broken)):
        package(broken, emotion, tmp_path / "t", quiet)
    assert not (tmp_path / "t").exists()
