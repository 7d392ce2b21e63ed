"""A challenger beside the champion: which texts it gets, and both scored on them unseen."""

import contextlib
import queue
import threading
import time
from collections.abc import Sequence
from typing import Final, Literal

import structlog

from inference.registry import LoadedModel
from serving.canary import Bounds, Comparison, Outcome, Reading, in_share, readings

log = structlog.get_logger()
WAITING: Final = 256
"""Texts that wait to be compared; more are left out: a sample is enough."""
BATCH: Final = 16
REST: Final = 3.0
"""Comparing takes one part of a thread's time and rests so many: answers come first."""


class Trial:
    """One challenger on trial, until `close`."""

    def __init__(
        self,
        champion: LoadedModel,
        challenger: LoadedModel,
        stage: Literal["shadow", "canary"],
        share: float,
        bounds: Bounds,
    ) -> None:
        """In `canary` it answers `share` of the texts; in `shadow` none, and is scored on all."""
        self.champion = champion
        self.challenger = challenger
        self.stage = stage
        self.share = share if stage == "canary" else 0.0
        self.comparison = Comparison(bounds)
        self._texts: queue.Queue[str] = queue.Queue(WAITING)
        self._closed = threading.Event()
        self._rounds = 0

    def start(self) -> None:
        """Begin to compare, in a thread of its own."""
        threading.Thread(target=self._run, name="model-trial", daemon=True).start()

    def close(self) -> None:
        """End it; a comparison under way is finished."""
        self._closed.set()

    def answers(self, text: str) -> bool:
        """Whether the challenger is to answer `text`."""
        return in_share(text, self.challenger.version, self.share)

    def compare_soon(self, text: str) -> None:
        """Have both score `text`, where the challenger answers it or would, but for its stage."""
        if self.stage == "shadow" or self.answers(text):
            with contextlib.suppress(queue.Full):
                self._texts.put_nowait(text)

    def failed(self) -> None:
        """Count a text that the challenger failed to answer."""
        self.comparison.add([Outcome(challenger_failed=True)])

    def compare(self, texts: Sequence[str]) -> None:
        """Score `texts` with both models, in turns, and count what they say."""
        self._rounds += 1
        pair = (self.champion, self.challenger)
        order = pair if self._rounds % 2 else pair[::-1]
        found = {model.version: _read(model, texts) for model in order}
        old, new = (found[model.version] for model in pair)
        self.comparison.add(
            [
                Outcome(old[place] if old else None, new[place] if new else None, not old, not new)
                for place in range(len(texts))
            ]
        )

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                texts = [self._texts.get(timeout=0.5)]
            except queue.Empty:
                continue
            while len(texts) < BATCH and not self._texts.empty():
                texts.append(self._texts.get())
            start = time.perf_counter()
            self.compare(texts)
            self._closed.wait(REST * (time.perf_counter() - start))


def _read(model: LoadedModel, texts: Sequence[str]) -> list[Reading]:
    """What a model says of the texts; nothing where it fails, which is counted."""
    start = time.perf_counter()
    try:
        scores = model.classifier.score(texts)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this model's failure
        log.warning("a model on trial failed", version=model.version, reason=type(error).__name__)
        return []
    return readings(scores, time.perf_counter() - start)
