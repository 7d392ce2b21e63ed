"""The keywords that people ask for and write about most, analysed ahead of time."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, Final

import structlog
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool

from barometer.cpu import cpu_percent
from barometer.errors import InputError, SettingsError
from barometer.events import tracked_rows
from barometer.redis_server import impatient
from ingestion.cleaning import check_text
from serving.analysis import Analyst
from serving.parts import Parts

log = structlog.get_logger()
ASKED: Final = "barometer:hot-words"
"""A sorted set: keyword, and how often it was asked for; halved from time to time."""
HALVED: Final = "barometer:hot-words:halved"
HALF_LIFE_S: Final = 6 * 3600
FORGOTTEN: Final = 0.3
"""A keyword that was asked for once is forgotten after two halvings."""
MOST_KEPT: Final = 1_000
WARMED: Final = 50
"""Keywords that are kept analysed."""
LIMIT: Final = 250
"""Posts of an analysis that names no number of its own, as the dashboard's."""
NOT_BEFORE_S: Final = 600.0
"""An answer that a source is missing from lasts a minute: even so, none is made more often."""
LONGEST: Final = 100
"""Characters of a keyword."""


class HotWords:
    """Counts what is asked, and keeps answers to the hottest keywords in the cache."""

    def __init__(
        self, parts: Parts, analyst: Analyst, busy: Callable[[], float] = cpu_percent
    ) -> None:
        """`busy` says how busy the CPU is, in per cent.

        Raises:
            SettingsError: `HOT_WORDS_FILE` cannot be read, or a line of it is no keyword.
        """
        self._parts = parts
        self._analyst = analyst
        self._busy = busy
        self._seeds = _seeds(parts.settings.hot_words_file)
        self._redis: Any = impatient(parts.redis)
        self._asked: Counter[str] = Counter()
        self._tried: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    def asked(self, keyword: str) -> None:
        """Count a question; it is written down at the next look."""
        keyword = " ".join(keyword.split())
        if keyword in self._asked or len(self._asked) < MOST_KEPT:
            self._asked[keyword] += 1

    def start(self) -> None:
        """Look every `WARM_EVERY_S`; call it inside the running event loop."""
        self._task = asyncio.create_task(self._run(), name="hot-words")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def warm(self) -> list[str]:
        """One look: analyse hot keywords whose answer is missing or about to end.

        Returns those that were analysed. It ends early when the CPU gets busy.
        """
        hot = await self._hottest()
        analyses, settings = self._parts.analyses, self._parts.settings
        keys = {keyword: self._analyst.key(keyword, LIMIT) for keyword in hot}
        left = await analyses.seconds_left(list(keys.values()))
        warmed: list[str] = []
        for keyword, key in keys.items():
            last = self._tried.get(keyword, -NOT_BEFORE_S)
            if left[key] > settings.warm_every_s or time.monotonic() - last < NOT_BEFORE_S:
                continue
            # Without Redis nothing would be kept; asked last, since it takes a second.
            if analyses.degraded or await self._is_busy():
                break
            await self._analyst.refresh(keyword, LIMIT)
            self._tried[keyword] = time.monotonic()
            warmed.append(keyword)
        self._tried = {k: at for k, at in self._tried.items() if k in keys}
        return warmed

    async def _is_busy(self) -> bool:
        return await asyncio.to_thread(self._busy) >= self._parts.settings.warm_cpu_percent

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._parts.settings.warm_every_s)
            try:
                warmed = await self.warm()
            except Exception as error:
                log.warning("keywords are not analysed ahead", exc_info=error)
            else:
                if warmed:
                    log.info("keywords analysed ahead", keywords=len(warmed))

    async def _hottest(self) -> list[str]:
        """The seeds, then in turn what is asked for and what is written about most."""
        asked, self._asked = self._asked, Counter()
        try:
            most_asked = await asyncio.to_thread(self._write_down, asked)
        except RedisError:
            self._asked.update(asked)
            most_asked = [keyword for keyword, _ in asked.most_common()]
        events = await run_in_threadpool(tracked_rows, self._parts.engine)
        posts, _ = await self._parts.aggregates.posts_of_a_day(events)
        events.sort(key=lambda event: posts[event.id], reverse=True)
        mentioned = [word for event in events if posts[event.id] for word in event.keywords]
        in_turn = chain.from_iterable(zip_longest(most_asked, mentioned))
        hot: dict[str, str] = {}
        for word in chain(self._seeds, in_turn):
            if word:
                hot.setdefault(word.lower(), word)
        return list(hot.values())[:WARMED]

    def _write_down(self, asked: Mapping[str, int]) -> list[str]:
        """Add the questions to those of every process; the most asked keywords of all."""
        halve = self._redis.set(HALVED, 1, nx=True, ex=HALF_LIFE_S)
        with self._redis.pipeline(transaction=True) as steps:
            if halve:
                steps.zunionstore(ASKED, {ASKED: 0.5})
                steps.zremrangebyscore(ASKED, "-inf", FORGOTTEN)
            for keyword, times in asked.items():
                steps.zincrby(ASKED, times, keyword)
            steps.zremrangebyrank(ASKED, 0, -MOST_KEPT - 1)
            steps.zrevrange(ASKED, 0, WARMED - 1)
            return [keyword.decode() for keyword in steps.execute()[-1]]


def _seeds(file: str) -> list[str]:
    """The keywords of a file, one a line; empty lines and those that begin with # are skipped."""
    if not file:
        return []
    name = f"BAROMETER_HOT_WORDS_FILE={file}"
    try:
        lines = Path(file).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name} cannot be read: name a text file in UTF-8.") from error
    words = []
    for number, line in enumerate(lines, 1):
        word = " ".join(line.split())
        if not word or word.startswith("#"):
            continue
        try:
            check_text(word)
        except InputError as error:
            raise SettingsError(f"{name}, line {number}: {error}.") from error
        if len(word) > LONGEST:
            raise SettingsError(f"{name}, line {number}: is over {LONGEST} characters; shorten it.")
        words.append(word)
    return words
