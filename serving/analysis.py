"""`/analyze`: the mood of the posts that mention a keyword."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from redis.exceptions import RedisError

from barometer.errors import SourceError
from barometer.events import tracked, with_events
from barometer.labels import EMOTIONS, SENTIMENTS
from barometer.metrics import count_lookups
from barometer.posts import Post
from barometer.search import posts_mentioning
from ingestion.cleaning import clean_found
from ingestion.source import SearchableSource
from serving.parts import Parts
from serving.pie import pie_png

log = structlog.get_logger()
ASK_AGAIN_S = 60.0
"""A source that did not answer is left alone for so long, so that answers stay quick."""


@dataclass(frozen=True)
class Mood:
    """One post's labels, as much as an analysis needs; None where its model gave none."""

    emotion: str | None
    confidence: float | None
    sentiment: str | None
    sentiment_confidence: float | None


class Analyst:
    """Answers keyword questions from the cache, else from stored and freshly found posts."""

    def __init__(self, parts: Parts, sources: Sequence[SearchableSource]) -> None:
        self._parts = parts
        self._sources = sources
        self._silent_until: dict[str, float] = {}

    async def analyze(self, keyword: str, limit: int, *, return_plot: bool) -> dict[str, Any]:
        """The contract's answer; the plot is drawn anew, the numbers are kept for `CACHE_TTL_S`."""
        keyword = " ".join(keyword.split())
        key = self._key(keyword, limit)
        cached, redis_up = await asyncio.to_thread(self._read, key)
        count_lookups("analysis", hits=int(cached is not None), misses=int(cached is None))
        if cached is None:
            answer = await self._compute(keyword, limit)
            redis_up = redis_up and await asyncio.to_thread(self._write, key, answer)
        else:
            answer = cached
        answer["source"] = "inference" if cached is None else "cache"
        answer["degraded"] = bool(self._parts.models.note) or not redis_up
        answer["plot_base64"] = None
        if return_plot:
            shares = [(line["label"], line["pct"]) for line in answer["agg"]]
            answer["plot_base64"] = await asyncio.to_thread(
                pie_png, keyword, shares, answer["count"]
            )
        return answer

    async def _compute(self, keyword: str, limit: int) -> dict[str, Any]:
        stored = await asyncio.to_thread(posts_mentioning, self._parts.engine, keyword, limit)
        moods = [
            (
                row.created_at,
                Mood(row.emotion, row.confidence, row.sentiment, row.sentiment_confidence),
            )
            for row in stored
        ]
        found, searched = await self._search(keyword, limit)
        known = {(row.source, row.external_id) for row in stored}
        fresh = [post for post in found if (post.source, post.id) not in known]
        if fresh:
            await asyncio.to_thread(self._keep, fresh)
            answers = await self._parts.answers.answer([post.text for post in fresh])
            judged = zip(fresh, (answer.judgement for answer in answers), strict=True)
            moods += [
                (p.created_at, Mood(j.emotion, j.confidence, j.sentiment, j.sentiment_confidence))
                for p, j in judged
            ]
        newest = [mood for _, mood in sorted(moods, key=lambda pair: pair[0], reverse=True)[:limit]]
        return {
            "keyword": keyword,
            "count": len(newest),
            "agg": _shares(EMOTIONS, [(mood.emotion, mood.confidence) for mood in newest]),
            "sentiment": _shares(
                SENTIMENTS, [(mood.sentiment, mood.sentiment_confidence) for mood in newest]
            ),
            "searched": [{"source": "stored", "posts": len(stored), "error": None}, *searched],
            "time": datetime.now(UTC).isoformat(),
            "model_version": self._parts.models.champion.version,
        }

    async def _search(self, keyword: str, limit: int) -> tuple[list[Post], list[dict[str, Any]]]:
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

    def _keep(self, posts: Sequence[Post]) -> None:
        """Hand found posts to the stream, so that they are stored like any other."""
        events = tracked(self._parts.engine)
        try:
            self._parts.stream.publish([with_events(post, events) for post in posts])
        except RedisError as error:
            log.warning("found posts are not kept", posts=len(posts), reason=type(error).__name__)

    def _key(self, keyword: str, limit: int) -> str:
        digest = hashlib.blake2b(f"{keyword.casefold()}\x00{limit}".encode(), digest_size=16)
        return f"barometer:analysis:{self._parts.models.champion.version}:{digest.hexdigest()}"

    def _read(self, key: str) -> tuple[dict[str, Any] | None, bool]:
        try:
            found = self._parts.redis.get(key)
        except RedisError:
            return None, False
        return (orjson.loads(found) if found else None), True

    def _write(self, key: str, answer: dict[str, Any]) -> bool:
        # An answer that a source is missing from is asked anew once that source may be.
        whole = all(line["error"] is None for line in answer["searched"])
        ttl = self._parts.settings.cache_ttl_s
        try:
            seconds = ttl if whole else min(ttl, int(ASK_AGAIN_S))
            self._parts.redis.set(key, orjson.dumps(answer), ex=seconds)
        except RedisError:
            return False
        return True


def _shares(
    labels: Sequence[str], answers: Sequence[tuple[str | None, float | None]]
) -> list[dict[str, Any]]:
    """A label's share in per cent, and the mean confidence of the posts that carry it.

    Shares are of the posts that have an answer.
    """
    given = [(name, score) for name, score in answers if name is not None and score is not None]
    lines = []
    for label in labels:
        scores = [score for name, score in given if name == label]
        lines.append(
            {
                "label": label,
                "pct": round(100 * len(scores) / len(given), 2) if given else 0.0,
                "avg_score": round(sum(scores) / len(scores), 4) if scores else None,
            }
        )
    return lines
