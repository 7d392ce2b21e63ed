"""`/explain`: which words drove an answer.

Each word is left out in turn, and what the answer's probability loses is the word's effect (Zeiler
and Fergus 2014, "Visualizing and Understanding Convolutional Networks"; on words: Li, Monroe and
Jurafsky 2016, "Understanding Neural Networks through Representation Erasure"). Words that say the
same hide each other's effect, and effects do not add up to the probability.
"""

from collections.abc import Sequence
from typing import Any, Final, overload

from barometer.errors import UnavailableError
from barometer.labels import TASKS
from barometer.posts import Judgement
from barometer.text import SPACES, model_input
from inference.absent import AbsentClassifier
from inference.registry import LoadedModel
from serving.answers import or_unavailable
from serving.batcher import Batcher

MOST_WORDS: Final = 64
"""Words that are left out in turn, from the text's start: each is one more text to classify."""
METHOD: Final = "leave one word out (Zeiler and Fergus 2014; Li, Monroe and Jurafsky 2016)"


async def explain(batcher: Batcher, model: LoadedModel, text: str) -> dict[str, Any]:
    """The labels of `text` with their probabilities, and each word's effect on them, in order.

    An effect is what the calibrated probability of the text's label falls by without the word:
    positive where the word speaks for the label, None where the model lacks the task.

    Raises:
        OverloadedError: too many texts wait for the model.
        DeadlineError: the model took too long.
        UnavailableError: there is no model, or it fails; nothing that stands in tells of words.
    """
    if isinstance(model.classifier, AbsentClassifier):
        raise UnavailableError("an explanation needs a model, and none is loaded: see GET /status.")
    words = SPACES.sub(" ", text).strip().split(" ")
    shown = words[:MOST_WORDS]
    inputs = _Inputs(text, words, len(shown))
    # Apart: INT8 scales activations by the batch, and other texts in it shift a probability by
    # some hundredths, as much as a word does.
    judged = await or_unavailable(model.version, batcher.judge(model, inputs, apart=True))
    answers: dict[str, Any] = {}
    effects: dict[str, list[float | None]] = {}
    for task in TASKS:
        whole, *without = [_probabilities(task, said) for said, _ in judged]
        if whole is None:
            answers[task], effects[task] = None, [None] * len(shown)
            continue
        best = max(whole, key=lambda label: whole[label])
        answers[task] = {"label": best, "confidence": whole[best]}
        effects[task] = [round(whole[best] - found[best], 6) for found in without if found]
    return {
        **answers,
        "words": [
            {"word": word, **{task: effects[task][i] for task in TASKS}}
            for i, word in enumerate(shown)
        ],
        "words_left": len(words) - len(shown),
        "truncated": judged[0][1],
        "method": METHOD,
    }


def _probabilities(task: str, said: Judgement) -> dict[str, float] | None:
    return said.emotions if task == "emotion" else said.sentiments


class _Inputs(Sequence[str]):
    """Model inputs: of the text, then of it without each of its first words.

    Each is made, in a millisecond or so, when its turn comes: a call that is refused costs nothing.
    """

    def __init__(self, text: str, words: Sequence[str], count: int) -> None:
        self._text = text
        self._words = words
        self._count = count

    def __len__(self) -> int:
        return 1 + self._count

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        if place >= len(self):
            raise IndexError(place)
        left = [*self._words[: place - 1], *self._words[place:]]
        return model_input(" ".join(left) if place else self._text)
