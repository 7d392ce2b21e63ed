"""Another model's labels read as ours: a map from names to names, and a module that applies it."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.modeling_outputs import ModelOutput

from barometer.errors import InputError
from barometer.labels import LABELS, TASKS, task_slice

NEVER = -100.0
"""Log-probability of a label of ours that nothing maps to: even at the highest temperature, 10, it
is served as 0.00005 at most."""


@dataclass(frozen=True)
class LabelMap:
    """Which labels of another model say what ours say."""

    own: dict[str, str | None]
    """Each label of the other model: the label of ours that it is read as; None leaves it out."""

    @property
    def labels(self) -> frozenset[str]:
        """Our labels that something maps to."""
        return frozenset(name for name in self.own.values() if name is not None)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks of which a label is mapped to; the model lacks the others."""
        return tuple(task for task, names in TASKS.items() if self.labels & set(names))

    @property
    def unreachable(self) -> list[str]:
        """Our labels that the model can never answer, in the tasks that it has."""
        return [name for task in self.tasks for name in TASKS[task] if name not in self.labels]


def read_label_map(file: Path, theirs: dict[int, str]) -> LabelMap:
    """Read a JSON object of their label names to ours; null leaves a label out on purpose.

    Args:
        file: the map.
        theirs: the other model's `id2label`.

    Raises:
        InputError: the file is no such object, names an unknown label on either side, leaves one of
            theirs unsaid, or maps to nothing.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unusable(f"{file} cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise _unusable(f'{file} must be an object such as {{"POSITIVE": "positive"}}')
    for name, own in content.items():
        if name not in theirs.values():
            raise _unusable(f"the model has no label {name!r}; it has {', '.join(theirs.values())}")
        if own is not None and own not in LABELS:
            raise _unusable(f"{own!r} (for {name!r}) is no label of ours: {', '.join(LABELS)}")
    unsaid = [name for name in theirs.values() if name not in content]
    if unsaid:
        raise _unusable(f"{file} says nothing of {', '.join(unsaid)}; null leaves a label out")
    if not any(content.values()):
        raise _unusable(f"{file} maps no label to one of ours: {', '.join(LABELS)}")
    return LabelMap({name: content[name] for _, name in sorted(theirs.items())})


class Mapped(torch.nn.Module):
    """A sequence classifier with other labels, answering in our nine logits.

    A label's logit is the logarithm of its share of the probability that the model gives to the
    labels of its task: where several of theirs map to one of ours, the probabilities add up. A
    model whose config says `multi_label_classification` gives each label a probability of its own;
    those (log-sigmoid, not log-softmax) are added up and shared out in the same way, so that a
    task's shares sum to 1 all the same. A label that nothing maps to gets `NEVER`, and so do all
    of a task that is lacking.
    """

    def __init__(self, model: Any, labels: LabelMap) -> None:
        super().__init__()
        self.model = model
        self._several = model.config.problem_type == "multi_label_classification"
        place = {name: index for index, name in model.config.id2label.items()}
        self._sources = [[place[n] for n, own in labels.own.items() if own == o] for o in LABELS]
        self._tasks = labels.tasks
        self.config = copy.deepcopy(model.config)
        self.config.problem_type = None
        self.config.id2label = dict(enumerate(LABELS))
        self.config.label2id = {name: index for index, name in enumerate(LABELS)}

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        output_hidden_states: bool = False,  # noqa: FBT001, FBT002 - the call of transformers
        **_: Any,
    ) -> ModelOutput:
        """Logits (batch, 9); hidden states as the model gives them. Other inputs are not served."""
        answer = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            output_hidden_states=output_hidden_states,
            return_dict=True,
        )
        given = answer.logits.float()
        if self._several:
            each = torch.nn.functional.logsigmoid(given)
        else:
            each = torch.log_softmax(given, dim=-1)
        parts = [self._task(each, task) for task in TASKS]
        return ModelOutput(logits=torch.cat(parts, dim=1), hidden_states=answer.hidden_states)

    def _task(self, each: torch.Tensor, task: str) -> torch.Tensor:
        sources = self._sources[task_slice(task)]
        none = torch.full_like(each[:, :1], NEVER)
        if task not in self._tasks:
            return none.repeat(1, len(sources))
        whole = torch.logsumexp(each[:, [i for own in sources for i in own]], dim=1, keepdim=True)
        return torch.cat(
            [torch.logsumexp(each[:, s], dim=1, keepdim=True) - whole if s else none
             for s in sources], dim=1,
        )  # fmt: skip


def _unusable(reason: str) -> InputError:
    return InputError(f"labels: {reason}.", "labels")
