"""Fine-tune one encoder with nine logits on emotion and sentiment rows together."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from sklearn.metrics import accuracy_score, f1_score
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_scheduler

from barometer.errors import ModelError, UnavailableError
from barometer.labels import LABELS, TASKS, task_slice
from training.data import Rows, TaskData
from training.losses import NO_LABEL, class_weights, joint_loss


class Recipe(BaseModel):
    """Hyperparameters of one fine-tuning run; the defaults made `models/starter/`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(5, ge=1)
    learning_rate: float = Field(2e-4, gt=0)
    batch_size: int = Field(32, ge=1)
    weight_decay: float = Field(0.01, ge=0)
    warmup: float = Field(0.06, ge=0, lt=1, description="share of the steps")
    class_weight_power: float = Field(0.5, ge=0, le=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    emotion_share: float = Field(0.5, gt=0, lt=1, description="loss factor of the emotion rows")
    max_tokens: int = Field(128, ge=8, le=512)
    seed: int = 7


@dataclass
class Epoch:
    """What one epoch reached on the validation rows."""

    number: int
    loss: float
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """What the best epoch is chosen by: emotion macro-F1 and sentiment accuracy, averaged."""
        return (self.metrics["emotion_macro_f1"] + self.metrics["sentiment_accuracy"]) / 2


Progress = Callable[[int, int, float], None]
"""Called after each step with the steps done, the steps in all and the running loss."""


def load_pretrained(base_model: str) -> tuple[Any, Any]:
    """The base encoder with a fresh nine-logit head, and its tokenizer.

    Raises:
        UnavailableError: `base_model` is no folder and the hub cannot be reached.
        ModelError: the folder lacks a configuration, weights or a fast tokenizer.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(base_model, use_fast=True)
        model = AutoModelForSequenceClassification.from_pretrained(
            base_model,
            num_labels=len(LABELS),
            id2label=dict(enumerate(LABELS)),
            label2id={label: index for index, label in enumerate(LABELS)},
            attn_implementation="sdpa",
            ignore_mismatched_sizes=True,
        )
    except (OSError, ValueError, TypeError) as error:  # TypeError: a folder without a tokenizer
        if Path(base_model).exists():
            raise ModelError(
                f"base model {base_model} needs config.json, model.safetensors and tokenizer.json: "
                f"{str(error).splitlines()[0]}"
            ) from error
        raise UnavailableError(
            f"base model {base_model!r} is neither a folder nor reachable on the hub: set "
            "BAROMETER_BASE_MODEL to a local folder with config.json, model.safetensors and "
            "tokenizer.json."
        ) from error
    return model, tokenizer


def finetune(
    base_model: str,
    data: dict[str, TaskData],
    recipe: Recipe,
    checkpoint: Path,
    progress: Progress,
    on_epoch: Callable[[Epoch], None],
) -> Epoch:
    """Train on both tasks' training rows and keep the best epoch in `checkpoint`.

    The best epoch is chosen on the validation rows; the test rows are not touched. Uses bf16
    autocast where the processor or GPU computes in it.

    Returns:
        The best epoch.
    """
    random.seed(recipe.seed)
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, tokenizer = load_pretrained(base_model)
    model.to(device)
    weights = {
        task: class_weights(rows.class_counts(), recipe.class_weight_power).to(device)
        for task, rows in data.items()
    }
    mix = {"emotion": 2 * recipe.emotion_share, "sentiment": 2 * (1 - recipe.emotion_share)}
    encoded = _encode(tokenizer, data, recipe.max_tokens)
    steps = recipe.epochs * -(-len(encoded) // recipe.batch_size)
    optimizer = torch.optim.AdamW(
        _decay_groups(model, recipe.weight_decay), lr=recipe.learning_rate, fused=True
    )
    schedule = get_scheduler("linear", optimizer, int(recipe.warmup * steps), steps)
    best: Epoch | None = None
    done = 0
    for number in range(1, recipe.epochs + 1):
        model.train()
        running = 0.0
        order = _length_grouped(encoded, recipe.batch_size, random.Random(recipe.seed + number))  # noqa: S311
        for batch in order:
            inputs, labels = _collate(batch, tokenizer, device)
            with torch.autocast(device.type, torch.bfloat16, enabled=_has_bf16(device)):
                logits = model(**inputs).logits
            loss = joint_loss(logits, labels, weights, mix, recipe.label_smoothing)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            done += 1
            running += (loss.item() - running) / min(done, 100)
            progress(done, steps, running)
        epoch = Epoch(number, running, validate(model, tokenizer, data, recipe.max_tokens))
        on_epoch(epoch)
        if best is None or epoch.score > best.score:
            best = epoch
            model.save_pretrained(checkpoint)
            tokenizer.save_pretrained(checkpoint)
    assert best is not None  # noqa: S101 - epochs is at least 1
    return best


@torch.inference_mode()
def validate(
    model: Any, tokenizer: Any, data: dict[str, TaskData], max_tokens: int
) -> dict[str, float]:
    """Accuracy and macro-F1 of each task on its validation rows."""
    model.eval()
    metrics: dict[str, float] = {}
    for task, splits in data.items():
        truth = np.array(splits.validation.labels)
        guess = logits_of(model, tokenizer, splits.validation, max_tokens)
        guess = guess[:, task_slice(task)].argmax(1)
        metrics[f"{task}_accuracy"] = float(accuracy_score(truth, guess))
        metrics[f"{task}_macro_f1"] = float(f1_score(truth, guess, average="macro"))
    return metrics


@torch.inference_mode()
def logits_of(model: Any, tokenizer: Any, rows: Rows, max_tokens: int) -> np.ndarray[Any, Any]:
    """The model's logits in the order of `rows`, shape (rows, 9); batches sorted by length."""
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


@dataclass(frozen=True)
class _Row:
    ids: list[int]
    task: str
    label: int


def _encode(tokenizer: Any, data: dict[str, TaskData], max_tokens: int) -> list[_Row]:
    rows = []
    for task, splits in data.items():
        ids = tokenizer(splits.train.texts, truncation=True, max_length=max_tokens)["input_ids"]
        rows += [_Row(i, task, y) for i, y in zip(ids, splits.train.labels, strict=True)]
    return rows


def _length_grouped(rows: list[_Row], size: int, rng: random.Random) -> Iterator[list[_Row]]:
    """Random batches of rows of similar length: sorted within pools of 50 batches."""
    shuffled = rng.sample(rows, len(rows))
    pool = size * 50
    batches = []
    for start in range(0, len(shuffled), pool):
        near = sorted(shuffled[start : start + pool], key=lambda row: len(row.ids))
        batches += [near[i : i + size] for i in range(0, len(near), size)]
    rng.shuffle(batches)
    return iter(batches)


def _collate(
    batch: list[_Row], tokenizer: Any, device: torch.device
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    inputs = tokenizer.pad({"input_ids": [row.ids for row in batch]}, return_tensors="pt")
    labels = {
        task: torch.tensor([r.label if r.task == task else NO_LABEL for r in batch], device=device)
        for task in TASKS
    }
    wanted = ("input_ids", "attention_mask")
    return {name: inputs[name].to(device) for name in wanted}, labels


def _decay_groups(model: Any, decay: float) -> list[dict[str, Any]]:
    """Biases and layer norms are not decayed (as in BERT's own training)."""
    named = list(model.named_parameters())
    plain = [p for name, p in named if p.ndim < 2 or "LayerNorm" in name]
    decayed = [p for name, p in named if not (p.ndim < 2 or "LayerNorm" in name)]
    return [
        {"params": decayed, "weight_decay": decay},
        {"params": plain, "weight_decay": 0.0},
    ]


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return "avx512_bf16" in _cpu_flags() or "amx_bf16" in _cpu_flags()


def _cpu_flags() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.read_text() if cpuinfo.exists() else ""
