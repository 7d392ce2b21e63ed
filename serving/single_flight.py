"""One computation for many callers that ask for the same at the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Compute = Callable[[Sequence[str]], Coroutine[Any, Any, Mapping[str, T]]]


@dataclass(eq=False)
class _Flight(Generic[T]):
    task: asyncio.Task[Mapping[str, T]]
    keys: Sequence[str]
    callers: int = 0


class SingleFlight(Generic[T]):
    """Callers share what is under way; it ends early only when the last of them has left."""

    def __init__(self) -> None:
        self._flying: dict[str, _Flight[T]] = {}

    async def fetch(self, keys: Sequence[str], compute: Compute[T]) -> dict[str, T]:
        """The value of each key; `compute` is asked for those that nobody computes yet.

        Raises:
            Exception: what `compute` raised, to every caller that waited for it.
        """
        new = [key for key in dict.fromkeys(keys) if key not in self._flying]
        if new:
            flight = _Flight(asyncio.create_task(compute(new)), new)
            self._flying |= dict.fromkeys(new, flight)
            flight.task.add_done_callback(lambda _: self._land(flight))
        joined = {key: self._flying[key] for key in keys}
        flights = set(joined.values())
        for flight in flights:
            flight.callers += 1
        try:
            await asyncio.wait({flight.task for flight in flights})
        finally:
            for flight in flights:
                flight.callers -= 1
                if not flight.callers and not flight.task.done():
                    self._land(flight)  # first, so that nobody joins what is being called off
                    flight.task.cancel()
        return {key: flight.task.result()[key] for key, flight in joined.items()}

    def _land(self, flight: _Flight[T]) -> None:
        for key in flight.keys:
            if self._flying.get(key) is flight:
                del self._flying[key]
