"""The daily check: what was deleted or removed at Reddit is deleted here, as Reddit's terms ask."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, closing
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import Engine

from barometer.broker import Broker
from barometer.brokers import open_broker
from barometer.database import ready_engine
from barometer.errors import SettingsError, SourceError
from barometer.settings import Settings
from barometer.source_states import limited_until
from ingestion.catalog import kind_of
from ingestion.reddit import in_stream, stored
from ingestion.reddit.check_place import POSITION, CheckPlace
from ingestion.reddit.client import PAGE, SOURCE, RedditAccess, RedditClient
from ingestion.reddit.posts import has_author, is_gone, mark_of

FULLNAME: Final = re.compile(r"t[13]_[0-9a-z]+")
"""What Reddit can be asked for; a program may have posted something else as Reddit's."""
PAUSE_S: Final = 2.0
"""Between two questions: 30 of the 100 calls a minute, so that readers find some left."""
LASTS: Final = timedelta(hours=4)
"""Longest that one check goes through stored posts; the next begins where it ended."""
DOUBTFUL: Final = 10
"""More posts than that are not gone all at once: an answer that knows none of them is a fault."""


@dataclass(frozen=True)
class Checked:
    """What a check, or a part of it, found."""

    checked: int = 0
    deleted: int = 0
    """Stored posts."""
    nameless: int = 0
    """Posts whose author's account is gone: they stay, without the name."""
    erased: int = 0
    """Entries of the stream, and dead letters."""

    def __add__(self, other: "Checked") -> "Checked":
        parts = asdict(other)
        return Checked(**{name: count + parts[name] for name, count in asdict(self).items()})


def recheck(settings: Settings, *, advance: Callable[[Checked], None] | None = None) -> Checked:
    """Ask Reddit for every post of its own, and delete those that are gone there.

    `advance` is called with what each answer brought.

    Raises:
        SettingsError: posts of Reddit are stored, and its credentials are missing.
        SourceError: Reddit answered with a fault; what was checked before stays so.
        BrokerError: the stream is away; the next check deletes there what this one could not.
    """
    engine = ready_engine(settings)
    missing = kind_of(SOURCE).missing(settings)
    if missing and not stored.stored_of_reddit(engine):
        return Checked()
    if missing:
        raise SettingsError(
            f"posts of Reddit are stored, and have to be checked there: set {missing}."
        )

    async def whole(broker: Broker) -> Checked:
        total = Checked()
        access = RedditAccess.from_settings(settings)
        async with aclosing(recheck_all(access, engine, broker)) as parts:
            async for part in parts:
                total += part
                if advance is not None:
                    advance(part)
        return total

    with closing(open_broker(settings)) as broker:
        return asyncio.run(whole(broker))


async def recheck_all(
    access: RedditAccess, engine: Engine, broker: Broker, *, pause_s: float = PAUSE_S
) -> AsyncGenerator[Checked, None]:
    """Check every post once, from where the last check ended on; yields each answer's part.

    So what was checked longest ago comes first, however often a check breaks off. Those that only
    the stream or the dead letters hold come last. In the end, what is gone is deleted there, too.

    Raises:
        SourceError: Reddit answered with a fault, or knows none of many posts.
        BrokerError: the stream is away; the next check deletes there what this one could not.
    """
    until = await asyncio.to_thread(limited_until, engine, SOURCE, POSITION)
    if until:
        raise SourceError(
            f"{SOURCE}: is left alone until {until:%Y-%m-%d %H:%M:%S} UTC.", until=until
        )
    place = await asyncio.to_thread(CheckPlace, engine)
    unknown = 0
    try:
        async with access.opened() as client, aclosing(_pages(engine, broker, place)) as pages:
            async for names in pages:
                part = await _check(client, engine, names, place)
                unknown += len(names) if part is None else 0
                yield part or Checked()
                if len(names) == PAGE:
                    await asyncio.sleep(pause_s)
    except SourceError as fault:
        await asyncio.to_thread(place.break_off, fault, broker)
        raise
    if unknown:
        doubt = SourceError(
            f"{SOURCE}: Reddit knew none of {unknown} posts, which looks like a fault of its own: "
            "they are kept, and asked for again."
        )
        await asyncio.to_thread(place.break_off, doubt, broker)
        raise doubt
    yield Checked(erased=await asyncio.to_thread(place.erase_gone, broker))


async def _pages(
    engine: Engine, broker: Broker, place: CheckPlace
) -> AsyncGenerator[Sequence[str], None]:
    """The fullnames of what is stored, moving `place` on, then of what is only in the stream."""
    begun, last = place.after, None
    ends_at = time.monotonic() + LASTS.total_seconds()
    while time.monotonic() < ends_at:
        names = await asyncio.to_thread(stored.stored_after, engine, place.after, last)
        if names:
            yield names
            place.after = names[-1]
            await asyncio.to_thread(place.save)
        elif begun and last is None:
            place.after, last = "", begun
        else:
            break
    in_it = await asyncio.to_thread(in_stream.names_in, broker)
    others = await asyncio.to_thread(stored.not_stored, engine, sorted(in_it - place.gone))
    for start in range(0, len(others), PAGE):
        yield others[start : start + PAGE]


async def _check(
    client: RedditClient, engine: Engine, names: Sequence[str], place: CheckPlace
) -> Checked | None:
    """Ask for one page of posts, and delete those that are gone; None: Reddit knew none of many."""
    asked = [name for name in names if FULLNAME.fullmatch(name)]
    if not asked:
        return Checked()
    things = await client.call(lambda: list(client.reddit.info(fullnames=asked)))
    known = {mark[1]: thing for thing in things if (mark := mark_of(thing))}
    if not known and len(asked) > DOUBTFUL:
        return None
    gone = [name for name in asked if name not in known or is_gone(known[name])]
    nameless = [name for name in known.keys() - set(gone) if not has_author(known[name])]
    deleted = unnamed = 0
    if gone:
        place.gone.update(gone)
        await asyncio.to_thread(place.save)  # once the rows are deleted, nothing else knows of them
        deleted = await asyncio.to_thread(stored.delete, engine, gone)
    if nameless:
        unnamed = await asyncio.to_thread(stored.unname, engine, nameless)
    return Checked(len(asked), deleted, unnamed)
