"""The pretrained encoder with a fresh nine-logit head, and what the machine lets it compute in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from barometer.errors import ModelError, UnavailableError
from barometer.labels import LABELS

ATTENTION = "sdpa"
"""The graph optimiser knows DistilBERT's attention in this shape, not in its eager one."""
DROPOUTS = (
    "dropout", "attention_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob",
)  # fmt: skip
"""Names under which encoders of several families keep their dropout rates."""


def load_pretrained(base_model: str, dropout: float = 0.1) -> tuple[Any, Any]:
    """The base encoder with a fresh nine-logit head, and its tokenizer.

    Raises:
        UnavailableError: `base_model` is no folder and the hub cannot be reached.
        ModelError: the folder lacks a configuration, weights or a fast tokenizer.
    """
    with pretrained_faults("base model", base_model, "set BAROMETER_BASE_MODEL to"):
        tokenizer = AutoTokenizer.from_pretrained(base_model, use_fast=True)
        model = AutoModelForSequenceClassification.from_pretrained(
            base_model,
            num_labels=len(LABELS),
            id2label=dict(enumerate(LABELS)),
            label2id={label: index for index, label in enumerate(LABELS)},
            attn_implementation=ATTENTION,
            ignore_mismatched_sizes=True,
            **_dropout_rates(base_model, dropout),
        )
    return model, tokenizer


@contextmanager
def pretrained_faults(what: str, where: str, remedy: str) -> Iterator[None]:
    """Say in one sentence why `from_pretrained` fails inside the block.

    Args:
        what: how the user calls the model, such as "base model".
        where: a hub name or a folder.
        remedy: what to do with a local folder, such as "give".

    Raises:
        UnavailableError: `where` is no folder and the hub cannot be reached.
        ModelError: the folder lacks a configuration, weights or a fast tokenizer.
    """
    parts = "config.json, model.safetensors and tokenizer.json"
    try:
        yield
    except Exception as error:  # safetensors and tokenizers raise bare ones for a corrupt file
        if Path(where).exists():
            raise ModelError(
                f"{what} {where} needs {parts}, whole: {_first_line(error)}"
            ) from error
        raise UnavailableError(
            f"{what} {where!r} is neither a folder nor reachable on the hub: {remedy} a local "
            f"folder with {parts}."
        ) from error


def load_checkpoint(checkpoint: Path) -> tuple[Any, Any]:
    """The model and the tokenizer that `train` has written.

    Raises:
        ModelError: a file is missing or corrupt, or the weights are another model's.
    """
    with pretrained_faults("checkpoint", str(checkpoint), "give"):
        model, found = AutoModelForSequenceClassification.from_pretrained(
            checkpoint, attn_implementation=ATTENTION, output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    # The library would fill in what is missing by chance, and answer.
    for what, names in (("lacks", found["missing_keys"]), ("adds", found["unexpected_keys"])):
        if names:
            raise ModelError(
                f"checkpoint {checkpoint}: model.safetensors {what} {len(names)} weights of the "
                f"{type(model).__name__} that config.json names, such as {min(names)}."
            )
    return model, tokenizer


def longest_input(model: Any, most: int) -> int:
    """Tokens that the model may be given: at most `most`, and no more than it has positions."""
    return int(min(most, getattr(model.config, "max_position_embeddings", most)))


def is_classifier(base_model: str) -> bool:
    """Whether the base has learnt to classify already, so that nobody knows from which rows."""
    with pretrained_faults("base model", base_model, "set BAROMETER_BASE_MODEL to"):
        named = AutoConfig.from_pretrained(base_model).architectures or []
    return any(name.endswith("ForSequenceClassification") for name in named)


def decay_groups(model: Any, decay: float) -> list[dict[str, Any]]:
    """Parameters for an optimizer; biases and layer norms are not decayed (as in BERT's own)."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    plain = [p for name, p in named if p.ndim < 2 or "LayerNorm" in name]
    decayed = [p for name, p in named if not (p.ndim < 2 or "LayerNorm" in name)]
    return [
        {"params": decayed, "weight_decay": decay},
        {"params": plain, "weight_decay": 0.0},
    ]


def best_device() -> torch.device:
    """The first GPU, or the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bf16(device: torch.device) -> bool:
    """Whether `device` computes in bfloat16 rather than imitating it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _dropout_rates(base_model: str, dropout: float) -> dict[str, float]:
    known = AutoConfig.from_pretrained(base_model).to_dict()
    return {name: dropout for name in DROPOUTS if name in known}
