"""Losses over nine logits, of which a row counts for its own task only."""

import torch
from torch.nn import functional

from barometer.labels import TASKS, task_slice

NO_LABEL = -100
"""Label of a row in the task that it does not belong to."""


def class_weights(counts: list[int], power: float) -> torch.Tensor:
    """Weights proportional to (1 / class count) ** power, with mean 1 over the training rows.

    Power 0 weighs all classes alike, 1 balances them fully, 0.5 (the square root) lies between.
    """
    count = torch.tensor(counts, dtype=torch.float32)
    weight = count.clamp(min=1) ** -power
    return weight * count.sum() / (weight * count).sum()


def joint_loss(
    logits: torch.Tensor,
    labels: dict[str, torch.Tensor],
    weights: dict[str, torch.Tensor],
    mix: dict[str, float],
    smoothing: float,
) -> torch.Tensor:
    """Mean over the batch of each row's own weighted cross entropy.

    Args:
        logits: (batch, 9).
        labels: a task's (batch,) label indices, `NO_LABEL` for rows of the other task.
        weights: a task's class weights.
        mix: a task's factor.
        smoothing: label smoothing in [0, 1).
    """
    total = logits.new_zeros((), dtype=torch.float32)
    for task, weight in weights.items():
        total = total + mix[task] * functional.cross_entropy(
            logits[:, task_slice(task)].float(),
            labels[task],
            weight=weight,
            ignore_index=NO_LABEL,
            label_smoothing=smoothing,
            reduction="sum",
        )
    return total / logits.shape[0]


def consistency_loss(
    first: torch.Tensor, second: torch.Tensor, labels: dict[str, torch.Tensor]
) -> torch.Tensor:
    """R-Drop's term: two passes of the same rows under different dropout should agree.

    Mean over the batch of the symmetric Kullback-Leibler divergence of each row's own task
    (Liang et al. 2021, "R-Drop: Regularized Dropout for Neural Networks").
    """
    total = first.new_zeros((), dtype=torch.float32)
    for task in TASKS:
        own = labels[task] != NO_LABEL
        a = functional.log_softmax(first[own][:, task_slice(task)].float(), dim=1)
        b = functional.log_softmax(second[own][:, task_slice(task)].float(), dim=1)
        both = functional.kl_div(a, b, reduction="sum", log_target=True) + functional.kl_div(
            b, a, reduction="sum", log_target=True
        )
        total = total + both / 2
    return total / first.shape[0]


def distillation_loss(logits: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Mean over the batch of the cross entropy to a teacher's probabilities, in both tasks.

    Unlike a label, a teacher answers both tasks for every row (Hinton et al. 2015, "Distilling the
    Knowledge in a Neural Network"; its calibrated probabilities stand in for a higher temperature).

    Args:
        logits: (batch, 9).
        teacher: (batch, 9) probabilities; each task's columns sum to 1.
    """
    total = logits.new_zeros((), dtype=torch.float32)
    for task in TASKS:
        own = task_slice(task)
        total = total + functional.cross_entropy(
            logits[:, own].float(), teacher[:, own], reduction="sum"
        )
    return total / logits.shape[0]
