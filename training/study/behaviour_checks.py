"""The behavioural tests: which texts are judged, and when an answer passes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from barometer.labels import EMOTIONS, SENTIMENTS, TASKS
from training.study import behaviour_cases as cases

Answers = npt.NDArray[Any]
"""(n, classes) probabilities."""
Rule = Callable[[Answers, Answers], npt.NDArray[np.bool_]]
"""Answers before and after -> (n,) whether each case passed."""
TOLERANCE: Final = 0.1
"""How far P(positive) - P(negative) may move the wrong way; CheckList allows as much."""
LONG_WORD: Final = 7
"""Letters from which a word is long enough to survive a typo."""


@dataclass(frozen=True)
class Check:
    """A behavioural test: its texts, and when an answer passes.

    `after` holds the texts of `before` changed, one for one; or the same texts, where an answer
    passes or fails by itself.
    """

    name: str
    kind: str
    task: str
    before: list[str]
    after: list[str]
    passes: Rule


def all_checks() -> Iterator[Check]:
    """Every behavioural test, in the order of the table."""
    yield from _invariance()
    yield from _direction()
    yield from _emotions()
    yield from _sentiments()


def with_typo(text: str) -> list[str]:
    """The text with two neighbouring letters swapped, once for each of its longer words."""
    words = text.split()
    typos = []
    for index, word in enumerate(words):
        # Never the first letter: people, too, read on by it. Swapping two equal ones is no typo.
        places = [i for i in range(1, len(word) - 2) if word[i] != word[i + 1]]
        if word.isalpha() and len(word) >= LONG_WORD and places:
            i = places[len(places) // 2]
            wrong = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
            typos.append(" ".join([*words[:index], wrong, *words[index + 1 :]]))
    return typos


def _invariance() -> Iterator[Check]:
    changes = {
        "names swapped": _swapped(cases.NAMED, "name", cases.NAMES),
        "places swapped": _swapped(cases.PLACED, "place", cases.PLACES),
        "typo in a long word": [(text, typo) for text in cases.SPELT for typo in with_typo(text)],
    }
    for change, pairs in changes.items():
        before, after = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        for task in TASKS:
            yield Check(
                f"{change}: same {task}", "invariance", task, before, after,
                lambda old, new: old.argmax(1) == new.argmax(1),
            )  # fmt: skip


def _swapped(
    templates: tuple[str, ...], slot: str, fillers: tuple[str, ...]
) -> list[tuple[str, str]]:
    first, *others = fillers
    return [(t.format(**{slot: first}), t.format(**{slot: o})) for t in templates for o in others]


def _direction() -> Iterator[Check]:
    for name, additions, sign in (
        ("praise added: score not lower", cases.PRAISE, 1),
        ("blame added: score not higher", cases.BLAME, -1),
    ):
        pairs = [(f"{text}.", f"{text}. {more}") for text in cases.OPINIONS for more in additions]
        yield Check(
            name, "direction", "sentiment", [old for old, _ in pairs], [new for _, new in pairs],
            _moves(sign),
        )  # fmt: skip


def _moves(sign: int) -> Rule:
    """The score moves the way of `sign`, or against it by no more than `TOLERANCE`."""
    return lambda old, new: sign * (_score(new) - _score(old)) >= -TOLERANCE


def _score(answers: Answers) -> Answers:
    score: Answers = answers[:, 2] - answers[:, 0]
    return score


def plainly(emotion: str) -> list[str]:
    """Sentences whose emotion no reader mistakes."""
    felt = [t.format(word=word) for t in cases.FEELING for word in cases.FEELINGS[emotion]]
    return felt + list(cases.TOLD[emotion])


def _emotions() -> Iterator[Check]:
    for emotion in EMOTIONS:
        yield _labelled(emotion, "emotion", plainly(emotion), EMOTIONS)
    for emotion in EMOTIONS:
        denied = [t.format(word=word) for t in cases.NOT_FELT for word in cases.FEELINGS[emotion]]
        yield _labelled(f"{emotion} denied", "emotion", denied, EMOTIONS, wrong=emotion)


def _sentiments() -> Iterator[Check]:
    praise = _filled(cases.RATED, cases.PRAISING)
    blame = _filled(cases.RATED, cases.BLAMING)
    yield _labelled("negative", "sentiment", blame, SENTIMENTS)
    yield _labelled("neutral", "sentiment", _filled(cases.PLAIN, ("",)), SENTIMENTS)
    yield _labelled("positive", "sentiment", praise, SENTIMENTS)
    not_good, not_bad = (
        _filled(cases.NOT_GOOD, cases.PRAISING), _filled(cases.NOT_BAD, cases.BLAMING)
    )  # fmt: skip
    yield _labelled("praise denied", "sentiment", not_good, SENTIMENTS, wrong="positive")
    yield _labelled("blame denied", "sentiment", not_bad, SENTIMENTS, wrong="negative")


def _filled(templates: tuple[str, ...], words: tuple[str, ...]) -> list[str]:
    return [
        t.format(thing=thing, word=word)
        for t in templates for thing in cases.THINGS for word in words
    ]  # fmt: skip


def _labelled(
    name: str, task: str, texts: list[str], labels: tuple[str, ...], *, wrong: str | None = None
) -> Check:
    """Texts that must be labelled `name`; or, where `wrong` is given, anything but that."""
    if wrong is None:
        rule, goal = f"{name} is {name}", labels.index(name)
    else:
        rule, goal = f"{name}: not {wrong}", labels.index(wrong)
    return Check(
        rule, "minimum functionality", task, texts, texts,
        lambda _, new: (new.argmax(1) == goal) == (wrong is None),
    )  # fmt: skip
