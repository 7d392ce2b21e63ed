"""Fine-tune one encoder with nine logits on emotion and sentiment rows together."""

import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from sklearn.metrics import accuracy_score, f1_score

from barometer.errors import InputError, StorageError
from barometer.labels import LABELS, task_slice
from training.batches import Batch, encode, length_grouped
from training.data import Rows, TaskData
from training.encoder import best_device, decay_groups, has_bf16, load_pretrained, longest_input
from training.imitation import imitate_int8
from training.losses import class_weights, consistency_loss, distillation_loss, joint_loss
from training.recipe import Recipe
from training.teachers import Targets

STATE = "state.pt"
"""Optimizer, random state and counters of an unfinished run; tensors only, never pickled code."""


@dataclass
class Epoch:
    """What one epoch reached on the validation rows."""

    number: int
    loss: float
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """What the best epoch is chosen by: emotion macro-F1 and sentiment accuracy, averaged.

        Emotion classes are of very unequal size, sentiment's are not.
        """
        chosen = ("emotion_macro_f1", "sentiment_accuracy")
        return float(np.mean([self.metrics[name] for name in chosen if name in self.metrics]))


Progress = Callable[[int, int, float], None]
"""Called after each step with the steps done, the steps in all and the running loss."""


class Finetuning:
    """One run: model, optimizer and position. It advances by epochs, and can be saved between."""

    def __init__(
        self,
        base_model: str,
        data: dict[str, TaskData],
        recipe: Recipe,
        targets: Targets | None = None,
    ) -> None:
        """Load the encoder and encode the rows; `targets` are the teachers' answers, if any.

        Raises:
            UnavailableError, ModelError: as `load_pretrained`.
            InputError: the recipe distils, and there is no teacher.
        """
        if recipe.distillation and targets is None:
            raise InputError("distillation: needs at least one --teacher.", "distillation")
        self._targets = targets
        random.seed(recipe.seed)
        torch.manual_seed(recipe.seed)
        self.recipe, self.data = recipe, data
        self.device = best_device()
        self.model, self.tokenizer = load_pretrained(base_model, recipe.dropout)
        self.model.to(self.device)
        words = self.model.get_input_embeddings()
        words.weight.requires_grad_(not recipe.freeze_words)
        self._words = words.weight
        if recipe.imitate_int8:
            imitate_int8(self.model.base_model)
        train = {task: splits.train for task, splits in data.items()}
        self._longest = longest_input(self.model, recipe.max_tokens)
        self._rows = encode(self.tokenizer, train, self._longest)
        self._weights = {
            task: class_weights(splits.class_counts(), recipe.class_weight_power).to(self.device)
            for task, splits in data.items()
        }
        self._mix = {
            "emotion": 2 * recipe.emotion_share,
            "sentiment": 2 * (1 - recipe.emotion_share),
        }
        self.steps = recipe.epochs * -(-len(self._rows) // recipe.batch_size)
        self._optimizer = torch.optim.AdamW(
            decay_groups(self.model, recipe.weight_decay), lr=recipe.learning_rate, fused=True
        )
        self._bf16 = has_bf16(self.device)
        self.epoch = self.step = 0

    def run_epoch(self, progress: Progress) -> Epoch:
        """One pass over the training rows, then the validation rows are measured."""
        self.epoch += 1
        rng = random.Random(self.recipe.seed + self.epoch)  # noqa: S311
        running = 0.0
        self.model.train()
        batches = length_grouped(
            self._rows, self.recipe.batch_size, rng, self.tokenizer, self.device
        )
        for seen, batch in enumerate(batches, start=1):
            for group in self._optimizer.param_groups:
                group["lr"] = self.recipe.learning_rate * self._rate(self.step)
            loss = self._backward(batch)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self._optimizer.step()
            self._optimizer.zero_grad(set_to_none=True)
            self.step += 1
            running += (loss - running) / min(seen, 100)
            progress(self.step, self.steps, running)
        return Epoch(self.epoch, running, self.validate())

    def validate(self) -> dict[str, float]:
        """Accuracy and macro-F1 of each task on its validation rows."""
        metrics: dict[str, float] = {}
        for task, splits in self.data.items():
            truth = np.array(splits.validation.labels)
            guess = logits_of(self.model, self.tokenizer, splits.validation, self._longest)[
                :, task_slice(task)
            ].argmax(1)
            metrics[f"{task}_accuracy"] = float(accuracy_score(truth, guess))
            metrics[f"{task}_macro_f1"] = float(f1_score(truth, guess, average="macro"))
        return metrics

    def save_model(self, folder: Path, beside: Mapping[str, str] = MappingProxyType({})) -> None:
        """Write the weights and the tokenizer, as transformers reads them, in one move.

        What `folder` held before stays until the new files are whole. `beside` are further text
        files, by name.

        Raises:
            StorageError: they cannot be written, as on a full disk.
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".saving-") as scratch:
                whole = Path(scratch) / "whole"
                self.model.save_pretrained(whole)
                self.tokenizer.save_pretrained(whole)
                for name, content in beside.items():
                    (whole / name).write_text(content)
                if folder.exists():
                    folder.rename(Path(scratch) / "replaced")
                whole.rename(folder)
        except (OSError, SafetensorError) as error:
            raise StorageError(
                f"the checkpoint cannot be written to {folder} ({error}): make room; the last one "
                "is kept."
            ) from error

    def save_state(self, folder: Path) -> None:
        """Write everything that `load_state` needs to go on after the last whole epoch."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "epoch": self.epoch,
            "step": self.step,
        }
        torch.save(state, folder / STATE)

    def load_state(self, folder: Path) -> None:
        """Go on where `save_state` stood; the recipe's own rates stay in force."""
        state = torch.load(folder / STATE, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        decays = [group["weight_decay"] for group in self._optimizer.param_groups]
        self._optimizer.load_state_dict(state["optimizer"])
        for group, decay in zip(self._optimizer.param_groups, decays, strict=True):
            group["weight_decay"] = decay
        torch.set_rng_state(state["random"].cpu())
        self.epoch, self.step = state["epoch"], state["step"]

    def _rate(self, step: int) -> float:
        """Linear warm-up, then linear decay to zero, as a factor of the peak rate."""
        warm = self.recipe.warmup * self.steps
        if step < warm:
            return step / warm
        return max(0.0, (self.steps - step) / max(1.0, self.steps - warm))

    def _backward(self, batch: Batch) -> float:
        """Leave the batch's gradients in the parameters; the loss without extra terms."""
        logits = self._forward(batch)
        loss = self._loss(logits, batch)
        total = loss
        if self.recipe.rdrop:
            second = self._forward(batch)
            total = (loss + self._loss(second, batch)) / 2
            total = total + self.recipe.rdrop * consistency_loss(logits, second, batch.labels)
        if self.recipe.distillation:
            share = self.recipe.distillation
            total = (1 - share) * total + share * distillation_loss(logits, self._taught(batch))
        torch.autograd.backward(total)
        if self.recipe.adversarial:
            self._adversarial_backward(batch)
        return float(loss.item())

    def _adversarial_backward(self, batch: Batch) -> None:
        """FGM: add the gradients at words moved where the loss grows fastest.

        Miyato et al. 2017, "Adversarial Training Methods for Semi-Supervised Text Classification".
        """
        gradient = self._words.grad
        if gradient is None:
            return
        step = self.recipe.adversarial * gradient / gradient.norm().clamp(min=1e-12)
        with torch.no_grad():
            self._words.add_(step)
        torch.autograd.backward(self._loss(self._forward(batch), batch))
        with torch.no_grad():
            self._words.sub_(step)

    def _taught(self, batch: Batch) -> torch.Tensor:
        assert self._targets is not None  # noqa: S101 - the constructor has refused it
        rows = np.stack([self._targets[row.task][row.place] for row in batch.rows])
        return torch.from_numpy(rows).to(self.device)

    def _forward(self, batch: Batch) -> torch.Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            logits: torch.Tensor = self.model(**batch.inputs).logits
        return logits

    def _loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        return joint_loss(
            logits, batch.labels, self._weights, self._mix, self.recipe.label_smoothing
        )


@torch.inference_mode()
def logits_of(model: Any, tokenizer: Any, rows: Rows, max_tokens: int) -> np.ndarray[Any, Any]:
    """The model's logits in the order of `rows`, shape (rows, 9); batches sorted by length."""
    model.eval()
    device = next(model.parameters()).device
    order = sorted(range(len(rows)), key=lambda i: len(rows.texts[i]))
    result = np.empty((len(rows), len(LABELS)), dtype=np.float32)
    for start in range(0, len(order), 64):
        chosen = order[start : start + 64]
        inputs = tokenizer(
            [rows.texts[i] for i in chosen],
            truncation=True,
            max_length=max_tokens,
            padding=True,
            return_tensors="pt",
        ).to(device)
        result[chosen] = model(**inputs).logits.float().cpu().numpy()
    return result
