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
from barometer.posts import Post
from barometer.search import posts_mentioning
from barometer.tracking import CHAMPION
from ingestion.cleaning import clean_found
from ingestion.source import SearchableSource
from serving.parts import Parts
from serving.pie import pie_png
from serving.single_flight import SingleFlight
from serving.text_cache import model_mark

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
        self._flights: SingleFlight[dict[str, Any]] = SingleFlight()

    async def analyze(self, keyword: str, limit: int, *, return_plot: bool) -> dict[str, Any]:
        """The contract's answer; the plot is drawn anew, the numbers are kept for `CACHE_TTL_S`."""
        keyword = " ".join(keyword.split())
        answer = await self._shared(keyword, limit, read=True) | {"keyword": keyword}
        answer["degraded"] = (
            bool(self._parts.models.note)
            or self._parts.analyses.degraded
            or answer["fallback_used"]
            or self._parts.failsafe.degraded
        )
        answer["plot_base64"] = None
        if return_plot:
            shares = [(line["label"], line["pct"]) for line in answer["agg"]]
            answer["plot_base64"] = await asyncio.to_thread(
                pie_png, keyword, shares, answer["count"]
            )
        return answer

    async def refresh(self, keyword: str, limit: int) -> None:
        """Compute the answer anew and keep it, whether or not there is one."""
        await self._shared(keyword, limit, read=False)

    async def _shared(self, keyword: str, limit: int, *, read: bool) -> dict[str, Any]:
        """The answer, kept or computed once for all who ask at the same time."""

        async def fetch(keys: Sequence[str]) -> dict[str, dict[str, Any]]:
            [key] = keys
            kept = await self._parts.analyses.get_many([key]) if read else {}
            if kept:
                return {key: orjson.loads(kept[key]) | {"source": "cache"}}
            answer = await self._compute(keyword, limit)
            await self._write(key, answer)
            return {key: answer | {"source": "inference"}}

        key = self.key(keyword, limit)
        return (await self._flights.fetch([key], fetch))[key]

    async def _compute(self, keyword: str, limit: int) -> dict[str, Any]:
        version = self._parts.models.champion.version
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
        fallback_used = False
        if fresh:
            await asyncio.to_thread(self._keep, fresh)
            answers = await self._parts.answers.answer([post.text for post in fresh], CHAMPION)
            fallback_used = any(answer.fallback for answer in answers)
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
            "model_version": version,
            "fallback_used": fallback_used,
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
        if self._parts.analyses.degraded:  # an answer does not wait for a Redis that is away
            log.warning("found posts are not kept", posts=len(posts), reason="redis is away")
            return
        events = tracked(self._parts.engine)
        try:
            self._parts.stream.publish([with_events(post, events) for post in posts])
        except RedisError as error:
            log.warning("found posts are not kept", posts=len(posts), reason=type(error).__name__)

    def key(self, keyword: str, limit: int) -> str:
        """Under which key the answer is kept, while the champion is the one of now."""
        asked = f"{keyword.lower()}\x00{limit}".encode()
        digest = hashlib.blake2b(asked, digest_size=16).hexdigest()
        mark = model_mark(self._parts.settings.model_name, self._parts.models.champion)
        # 2 is the shape of what is kept: an older process's answers lack `fallback_used`.
        return f"barometer:analysis:2:{mark}:{digest}"

    async def _write(self, key: str, answer: dict[str, Any]) -> None:
        # An answer that a source or the model had no part in is asked anew once they may be back.
        searched = all(line["error"] is None for line in answer["searched"])
        whole = searched and not answer["fallback_used"]
        ttl = self._parts.settings.cache_ttl_s
        seconds = ttl if whole else min(ttl, ASK_AGAIN_S)
        await self._parts.analyses.put_many({key: orjson.dumps(answer)}, seconds)


def _shares(
    labels: Sequence[str], answers: Sequence[tuple[str | None, float | None]]
) -> list[dict[str, Any]]:
    """A label's share in per cent, and the mean confidence of the posts that carry it.

    Shares are of the posts that have an answer; a fallback gives labels without a confidence.
    """
    given = [name for name, _ in answers if name is not None]
    lines = []
    for label in labels:
        scores = [score for name, score in answers if name == label and score is not None]
        lines.append(
            {
                "label": label,
                "pct": round(100 * given.count(label) / len(given), 2) if given else 0.0,
                "avg_score": round(sum(scores) / len(scores), 4) if scores else None,
            }
        )
    return lines
