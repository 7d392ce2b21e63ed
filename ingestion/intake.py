"""Takes a source's posts to where they are kept, and saves where it stands after that has them."""

import asyncio
import contextlib
import copy
import math
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime

import stamina
import structlog
from sqlalchemy import Engine

from barometer.authors import Authors
from barometer.back_pressure import Pressure
from barometer.broker import Broker
from barometer.errors import BrokerError, SourceError
from barometer.events import Event, tracked, with_events
from barometer.forgotten import REFUSAL, forgotten_among
from barometer.posts import Post
from barometer.source_states import Taken, limited_until, position_of, save_reading
from barometer.terms import may_train
from ingestion.chunks import chunks
from ingestion.cleaning import clean_found
from ingestion.source import Position

log = structlog.get_logger()
BROKER_WAIT_S = 120.0
LOOK_EVERY_S = 5.0
"""How often the tracked events are looked up, and the position of a reading that does not end is
saved."""


@dataclass
class Reading:
    """What one reading brought; `event` is empty when it was for all of them."""

    source: str
    event: str
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    error: str | None = None
    until: datetime | None = None
    """When the source may be asked again, if it said so."""
    unfinished: bool = False
    """Whether its time was up before its end; the next reading goes on from there."""


class Taking(ABC):
    """Takes posts of every source to where they are kept, with how far each source was read."""

    def __init__(
        self, engine: Engine, authors: Authors, *, look_every_s: float = LOOK_EVERY_S
    ) -> None:
        """`authors` says how names are kept, and knows who asked to be forgotten."""
        self.engine = engine
        self.look_every_s = look_every_s
        self._authors = authors
        self._events: tuple[Event, ...] = ()
        self._events_at = -math.inf

    async def take(
        self,
        reading: Reading,
        posts: AsyncGenerator[Post, None],
        position: Position,
        stop: asyncio.Event | None = None,
    ) -> None:
        """Take `posts` to their end, or until `stop` is set.

        A fault of the source is noted in `reading`.

        A post belongs to the reading's event and to all that its text mentions; one that belongs to
        none is passed over.

        Raises:
            BrokerError: the stream stays away for `BROKER_WAIT_S`.
        """
        loop = asyncio.get_running_loop()
        saved_at = loop.time()
        count, newest = 0, None

        async def save() -> None:
            nonlocal saved_at, count, newest
            taken = Taken(count, newest)
            await asyncio.to_thread(self._save, reading, copy.deepcopy(position), taken)
            saved_at, count, newest = loop.time(), 0, None

        grouping = chunks(posts, stop, silence_s=self.look_every_s)
        try:
            async with contextlib.aclosing(grouping) as grouped:
                async for chunk in grouped:
                    new = await self._publish(self._accept(chunk, reading), reading)
                    count += len(new)
                    newest = max((post.created_at for post in new), default=newest)
                    if self.is_full or loop.time() - saved_at >= self.look_every_s:
                        await save()
        except SourceError as error:
            reading.error, reading.until = str(error), error.until
            told = {"source": reading.source, "about": reading.event, "reason": str(error)}
            log.warning("source failed", **told)
        await save()

    def _accept(self, chunk: Sequence[Post], reading: Reading) -> list[Post]:
        posts, refused = clean_found(chunk)
        reading.rejected += len(refused)
        for error in refused:
            log.info("post refused", source=reading.source, reason=str(error))
        # A recording brings posts of other places; their terms hold, and the reader's own.
        allowed = may_train(reading.source)
        return [
            post.model_copy(
                update={"may_train": allowed and post.may_train and may_train(post.source)}
            )
            for post in posts
        ]

    async def _publish(self, posts: Sequence[Post], reading: Reading) -> list[Post]:
        """Put what belongs to an event; returns what was not there."""
        if not posts:
            return []
        events = await self.events()
        if reading.event:
            own = [p.model_copy(update={"events": (reading.event, *p.events)}) for p in posts]
            about = [with_events(post, events) for post in own]
        else:
            about = [post for post in (with_events(p, events) for p in posts) if post.events]
        gone = await asyncio.to_thread(forgotten_among, self.engine, self._authors, about)
        if gone:
            reading.rejected += len(gone)
            log.info("posts refused", source=reading.source, posts=len(gone), reason=REFUSAL)
            about = [post for post in about if post.key not in gone]
        new = await self._put(about)
        reading.accepted += sum(new)
        reading.duplicates += len(new) - sum(new)
        return [post for post, is_new in zip(about, new, strict=True) if is_new]

    async def events(self) -> tuple[Event, ...]:
        """The tracked events, at most `look_every_s` old."""
        now = asyncio.get_running_loop().time()
        if now - self._events_at >= self.look_every_s:
            self._events = tuple(await asyncio.to_thread(tracked, self.engine))
            self._events_at = now
        return self._events

    @property
    def is_full(self) -> bool:
        """Whether what was put is to be saved now, however short the time since the last saving."""
        return False

    @abstractmethod
    def position_of(self, source: str, event: str) -> Position:
        """How far `source` was read for `event`, as it was saved; a fresh dict."""

    @abstractmethod
    def limited_until(self, source: str, event: str) -> datetime | None:
        """When the source may be asked again, if that is still ahead."""

    @abstractmethod
    async def _put(self, posts: Sequence[Post]) -> list[bool]:
        """Take posts; says of each whether it is new."""

    @abstractmethod
    def _save(self, reading: Reading, position: Position, taken: Taken) -> None:
        """Save where the source stands, once what was put is kept for good."""


class Intake(Taking):
    """Takes posts into the stream."""

    def __init__(
        self,
        broker: Broker,
        pressure: Pressure,
        engine: Engine,
        *,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        super().__init__(engine, broker.authors, look_every_s=look_every_s)
        self._broker = broker
        self._pressure = pressure

    def position_of(self, source: str, event: str) -> Position:
        """How far `source` was read for `event`."""
        return position_of(self.engine, source, event)

    def limited_until(self, source: str, event: str) -> datetime | None:
        """When the source may be asked again, if that is still ahead."""
        return limited_until(self.engine, source, event)

    async def _put(self, posts: Sequence[Post]) -> list[bool]:
        """Publish them; while too many wait for the scorers, nothing more is asked for.

        Raises:
            BrokerError: the stream stays away for `BROKER_WAIT_S`.
        """
        await self._pressure.wait()
        return await _publish(self._broker, posts)

    def _save(self, reading: Reading, position: Position, taken: Taken) -> None:
        save_reading(
            self.engine, reading.source, reading.event, position,
            taken=taken, error=reading.error, until=reading.until,
        )  # fmt: skip


async def _publish(broker: Broker, posts: Sequence[Post]) -> list[bool]:
    """Publish, waiting a while for a stream that is away: the posts are in nobody else's hands."""
    # The waiting is done here and not in a thread: who stops the program need not wait along.
    async for attempt in stamina.retry_context(
        on=BrokerError, attempts=None, timeout=BROKER_WAIT_S, wait_max=5.0
    ):
        with attempt:
            return await asyncio.to_thread(broker.publish, posts)
    raise AssertionError("the last attempt raises")
