"""`/explain`: which words drove an answer.

Each word is left out in turn, and what the answer's probability loses is the word's effect (Zeiler
and Fergus 2014, "Visualizing and Understanding Convolutional Networks"; on words: Li, Monroe and
Jurafsky 2016, "Understanding Neural Networks through Representation Erasure"). Words that say the
same hide each other's effect, and effects do not add up to the probability.
"""

from collections.abc import Iterator
from typing import Any, Final

from barometer.labels import TASKS
from barometer.text import SPACES
from inference.registry import LoadedModel

MOST_WORDS: Final = 64
"""Words that are left out in turn, from the text's start: each is one more text to classify."""
METHOD: Final = "leave one word out (Zeiler and Fergus 2014; Li, Monroe and Jurafsky 2016)"


def explain(model: LoadedModel, text: str) -> dict[str, Any]:
    """The labels of `text` with their probabilities, and each word's effect on them, in order.

    An effect is what the calibrated probability of the text's label falls by without the word:
    positive where the word speaks for the label, None where the model lacks the task.
    """
    words = SPACES.sub(" ", text).strip().split(" ")
    shown = words[:MOST_WORDS]
    # One by one: INT8 scales activations by the batch, and other texts in it shift a probability
    # by some hundredths, as much as a word does.
    scores = [model.classifier.score([t]) for t in (text, *_without_each(words, len(shown)))]
    answer: dict[str, Any] = {}
    effects: dict[str, list[float | None]] = {}
    for task, names in TASKS.items():
        whole, *without = [each.of(task) for each in scores]
        if whole is None:
            answer[task] = None
            effects[task] = [None] * len(shown)
            continue
        best = int(whole[0].argmax())
        confidence = float(whole[0, best])
        answer[task] = {"label": names[best], "confidence": round(confidence, 6)}
        effects[task] = [
            round(confidence - float(found[0, best]), 6) for found in without if found is not None
        ]
    return {
        **answer,
        "words": [
            {"word": word, **{task: effects[task][i] for task in TASKS}}
            for i, word in enumerate(shown)
        ],
        "words_left": len(words) - len(shown),
        "truncated": bool(scores[0].truncated[0]),
        "method": METHOD,
    }


def _without_each(words: list[str], count: int) -> Iterator[str]:
    for i in range(count):
        yield " ".join(words[:i] + words[i + 1 :])
