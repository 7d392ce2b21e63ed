"""`/analyze`: the mood of the posts that mention a keyword."""

import asyncio
import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

import orjson
import structlog
from redis.exceptions import RedisError

from barometer.errors import SourceError
from barometer.events import tracked, with_events
from barometer.posts import Post
from barometer.search import posts_mentioning
from barometer.tracking import CHAMPION
from ingestion.cleaning import clean_found
from ingestion.source import SearchableSource
from serving.answers import Answer
from serving.models import Models
from serving.parts import Parts
from serving.pie import pie_png
from serving.shares import counted, shares
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
    version: str | None
    """The model version that said so; None where no model of ours did."""

    def of(self, task: str) -> tuple[str | None, float | None]:
        """The label of a task, and its confidence."""
        if task == "emotion":
            return self.emotion, self.confidence
        return self.sentiment, self.sentiment_confidence


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
                Mood(
                    row.emotion,
                    row.confidence,
                    row.sentiment,
                    row.sentiment_confidence,
                    row.model_version,
                ),
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
            moods += [
                (post.created_at, _mood(answer))
                for post, answer in zip(fresh, answers, strict=True)
            ]
        newest = [mood for _, mood in sorted(moods, key=lambda pair: pair[0], reverse=True)[:limit]]
        emotion = await asyncio.to_thread(_shares, self._parts.models, "emotion", newest)
        sentiment = await asyncio.to_thread(_shares, self._parts.models, "sentiment", newest)
        return {
            "keyword": keyword,
            "count": len(newest),
            "agg": emotion[0],
            "sentiment": sentiment[0],
            "uncertainty": {"emotion": emotion[1], "sentiment": sentiment[1]},
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
        # 3 is the shape of what is kept: an older process's answers lack the corrected shares.
        return f"barometer:analysis:3:{mark}:{digest}"

    async def _write(self, key: str, answer: dict[str, Any]) -> None:
        # An answer that a source or the model had no part in is asked anew once they may be back.
        searched = all(line["error"] is None for line in answer["searched"])
        whole = searched and not answer["fallback_used"]
        ttl = self._parts.settings.cache_ttl_s
        seconds = ttl if whole else min(ttl, ASK_AGAIN_S)
        await self._parts.analyses.put_many({key: orjson.dumps(answer)}, seconds)


def _mood(answer: Answer) -> Mood:
    said = answer.judgement
    return Mood(
        said.emotion,
        said.confidence,
        said.sentiment,
        said.sentiment_confidence,
        None if answer.fallback else said.model_version,
    )


def _shares(
    models: Models, task: str, moods: Sequence[Mood]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A line a label, and what is uncertain of them; shares are of the posts that have an answer.

    `avg_score` is the mean confidence of the posts that carry the label.
    """
    votes: dict[str | None, Counter[str]] = defaultdict(Counter)
    scores: dict[str, list[float]] = defaultdict(list)
    for mood in moods:
        label, confidence = mood.of(task)
        if label is not None:
            votes[mood.version][label] += 1
            if confidence is not None:
                scores[label].append(confidence)
    found = shares(models, task, [{v: counted(task, each) for v, each in votes.items()}])
    lines = []
    for line in found.lines():
        own = scores[line["label"]]
        lines.append(
            {
                "label": line["label"],
                "pct": line["pct"] or 0.0,
                "avg_score": round(fmean(own), 4) if own else None,
                "corrected_pct": line["corrected_pct"],
                "low_pct": line["low_pct"],
                "high_pct": line["high_pct"],
            }
        )
    every = [score for own in scores.values() for score in own]
    return lines, found.uncertainty(0, fmean(every) if every else None)
