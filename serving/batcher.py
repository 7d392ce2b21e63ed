"""Texts of all callers in shared batches, one at a time; what cannot be done in time is refused.

A batch takes a share of each caller in turn, so that one text does not wait behind a thousand. The
classifier sorts it by length and cuts it to its token budget. While a batch runs, the next one
gathers; with an idle model the first text starts at once.

A call may ask that its texts run apart, each a batch of its own. They cost the most and are the
least urgent: each waits for a shared batch in between, and they are refused first.
"""

import asyncio
import itertools
import math
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from barometer.errors import DeadlineError, ModelError, OverloadedError
from barometer.settings import Settings
from inference.classifier import TOKEN_BUDGET
from inference.registry import LoadedModel
from serving.judge import Judged, judgements

BATCH_TOKENS = 4 * TOKEN_BUDGET
"""Tokens of a batch, as far as characters tell: enough to sort, short enough to be next soon."""
CHARACTERS_A_TOKEN = 4
"""English word pieces have four characters and some; only the size of a batch hangs on it."""
SHARE = 32
"""Texts that a caller has in a batch before it is the next caller's turn."""
APART_PART = 8
"""What runs apart may fill one part in so many of the queue: some ten seconds of long texts."""


@dataclass(eq=False)
class _Call:
    """What one caller wants of one model, and how far it is."""

    model: LoadedModel
    inputs: Sequence[str]
    answer: asyncio.Future[list[Judged]]
    apart: bool
    taken: int = 0
    judged: list[Judged] = field(default_factory=list)

    @property
    def left(self) -> int:
        return len(self.inputs) - self.taken


@dataclass(frozen=True)
class _Slice:
    """The part of a call that a batch takes."""

    call: _Call
    inputs: Sequence[str]


class Batcher:
    """The queue in front of the models of this process."""

    def __init__(self, settings: Settings) -> None:
        self.queued = 0
        """Texts that wait for a batch."""
        self._most_queued = settings.queue_texts
        self._wait_s = settings.batch_wait_ms / 1000
        self._deadline_s = settings.deadline_s
        self._longest_s = settings.model_timeout_s
        self._calls: deque[_Call] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "model")
        self._rate = 100.0
        self._ran_apart = False

    async def judge(
        self, model: LoadedModel, inputs: Sequence[str], *, apart: bool = False
    ) -> list[Judged]:
        """What `model` says of these model inputs, in their order.

        With `apart` no other text in the batch moves an answer.

        Raises:
            OverloadedError: the queue is full. An empty one takes a call of any size.
            DeadlineError: the answer took longer than `DEADLINE_S`.
            ModelError: one batch took longer than `MODEL_TIMEOUT_S`.
        """
        most = self._most_queued // APART_PART if apart else self._most_queued
        if self.queued and self.queued + len(inputs) > most:
            raise OverloadedError(
                f"texts: {self.queued:,} wait already; send fewer, or try again later.",
                min(60, math.ceil(self.queued / self._rate)),
            )
        call = _Call(model, inputs, asyncio.get_running_loop().create_future(), apart)
        self._calls.append(call)
        self.queued += len(inputs)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="batcher")
        try:
            async with asyncio.timeout(self._deadline_s):
                return await call.answer
        except TimeoutError as error:
            raise DeadlineError(
                f"the model did not answer within {self._deadline_s:g} s: try again later, send "
                "fewer texts, or raise BAROMETER_DEADLINE_S."
            ) from error
        finally:
            self._forget(call)

    def _forget(self, call: _Call) -> None:
        """Take what is left of a call out of the queue: it failed, or its caller is gone."""
        if call.left:
            self._calls.remove(call)
            self.queued -= call.left
            call.taken = len(call.inputs)

    async def _work(self) -> None:
        """Run batches until nothing waits."""
        try:
            while self._calls:
                await self._run(self._next_batch())
                if self.queued < SHARE:  # those who were just answered may ask again
                    await asyncio.sleep(self._wait_s)
        finally:
            self._worker = None

    def _next_batch(self) -> list[_Slice]:
        """A share of each call of one model in turn, until the batch is full; or a text apart."""
        first = self._next_call()
        self._ran_apart = first.apart
        if first.apart:
            return [self._next_text(first)]
        model = first.model
        room = BATCH_TOKENS
        taken: dict[_Call, list[str]] = {}
        others: deque[_Call] = deque()
        while self._calls and room > 0:
            call = self._calls.popleft()
            if call.model is not model or call.apart:
                others.append(call)
                continue
            start = call.taken
            while call.left and call.taken < start + SHARE and room > 0:
                room -= _tokens(call.inputs[call.taken], model.classifier.folder.max_tokens)
                call.taken += 1
            taken.setdefault(call, []).extend(call.inputs[start : call.taken])
            self.queued -= call.taken - start
            if call.left:
                self._calls.append(call)
        self._calls.extendleft(reversed(others))
        return [_Slice(call, inputs) for call, inputs in taken.items()]

    def _next_call(self) -> _Call:
        """Whose turn it is: after a text that ran apart, that of the others, if any wait."""
        shared = (call for call in self._calls if not call.apart)
        return next(shared, self._calls[0]) if self._ran_apart else self._calls[0]

    def _next_text(self, call: _Call) -> _Slice:
        """One text of a call, which keeps its place: in turns, all would be late together."""
        call.taken += 1
        self.queued -= 1
        if not call.left:
            self._calls.remove(call)
        return _Slice(call, [call.inputs[call.taken - 1]])

    async def _run(self, batch: Sequence[_Slice]) -> None:
        model = batch[0].call.model
        inputs = [text for piece in batch for text in piece.inputs]
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._longest_s):
                judged = iter(await loop.run_in_executor(self._thread, _judge, model, inputs))
        except TimeoutError:
            # Nothing stops a thread: it is left behind, and the queue goes on with a new one.
            self._thread.shutdown(wait=False)
            self._thread = ThreadPoolExecutor(1, "model")
            hung = ModelError(f"the model did not answer within {self._longest_s:g} s.")
            for piece in batch:
                _end(piece.call, hung)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the callers'
            await self._blame(batch, error)
            return
        self._rate += 0.2 * (len(inputs) / (time.perf_counter() - started) - self._rate)
        for piece in batch:
            piece.call.judged += itertools.islice(judged, len(piece.inputs))
            whole = len(piece.call.judged) == len(piece.call.inputs)
            if whole and not piece.call.answer.done():
                piece.call.answer.set_result(piece.call.judged)

    async def _blame(self, batch: Sequence[_Slice], error: Exception) -> None:
        """Give the error to the caller whose text it was: each tries alone once more."""
        if len(batch) > 1:
            for piece in batch:
                await self._run([piece])
        else:
            _end(batch[0].call, error)


def _end(call: _Call, error: Exception) -> None:
    if not call.answer.done():
        call.answer.set_exception(error)


def _judge(model: LoadedModel, inputs: Sequence[str]) -> list[Judged]:
    scores = model.classifier.score_inputs(inputs)
    return list(zip(judgements(model.version, scores), scores.truncated.tolist(), strict=True))


def _tokens(text: str, most: int) -> int:
    return min(most, len(text) // CHARACTERS_A_TOKEN + 2)
