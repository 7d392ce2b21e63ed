"""The sources that are asked for a keyword while a caller waits."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import structlog

from barometer.errors import SourceError
from barometer.posts import Post
from ingestion.cleaning import clean_found
from ingestion.source import SearchableSource

log = structlog.get_logger()
ASK_AGAIN_S: Final = 60.0
"""A source that did not answer is left alone for so long, so that answers stay quick."""


class OnDemand:
    """Asks every source at once; one that failed is left alone for a while."""

    def __init__(self, sources: Sequence[SearchableSource]) -> None:
        self._sources = sources
        self._silent_until: dict[str, float] = {}

    async def search(self, keyword: str, limit: int) -> tuple[list[Post], list[dict[str, Any]]]:
        """The posts that they find, at most `limit` each, and what became of each source.

        A line has the source's name, its posts, and the error that kept it from answering or None.
        """
        now = asyncio.get_running_loop().time()
        asked = [s for s in self._sources if self._silent_until.get(s.name, 0.0) <= now]
        results = await asyncio.gather(
            *(source.search(keyword, limit) for source in asked), return_exceptions=True
        )
        found: list[Post] = []
        lines: list[dict[str, Any]] = []
        for source, result in zip(asked, results, strict=True):
            if isinstance(result, SourceError):
                self._silent_until[source.name] = now + ASK_AGAIN_S
                log.warning("on-demand source failed", source=source.name, reason=str(result))
                lines.append({"source": source.name, "posts": 0, "error": str(result)})
            elif isinstance(result, BaseException):
                raise result
            else:
                passed, _ = clean_found(result)
                found += passed
                lines.append({"source": source.name, "posts": len(passed), "error": None})
        for source in self._sources:
            if source not in asked:
                reason = "did not answer a moment ago; asked again within a minute"
                lines.append({"source": source.name, "posts": 0, "error": reason})
        return found, lines
