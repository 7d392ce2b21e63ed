"""`/analyze`: the mood of the posts that mention a keyword."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from barometer.analyses import tidy
from barometer.analysis_queue import CACHED
from barometer.languages import UNKNOWN, Languages, languages_asked
from barometer.posts import Post
from barometer.search import mentioning_in
from inference.registry import LoadedModel
from ingestion.source import SearchableSource
from serving.answer import Answer
from serving.found_posts import keep_found
from serving.languages_asked import told_languages
from serving.moods import label_shares, mood_of_answer, mood_of_row
from serving.on_demand import ASK_AGAIN_S, OnDemand
from serving.parts import Parts
from serving.pie import pie_png
from serving.request_log import remember_origins
from serving.single_flight import SingleFlight
from serving.text_cache import model_mark

_Found = tuple[dict[str, Any], frozenset[str]]
"""An answer, and what gave it: the origins of the texts that were judged for it; else `cache`, or
`stored` where none had to be."""


class Analyst:
    """Answers keyword questions from the cache, else from stored and freshly found posts."""

    def __init__(self, parts: Parts, sources: Sequence[SearchableSource]) -> None:
        self._parts = parts
        self._on_demand = OnDemand(sources)
        self._flights: SingleFlight[_Found] = SingleFlight()

    async def analyze(
        self, keyword: str, limit: int, languages: Languages | None = None, *, return_plot: bool
    ) -> dict[str, Any]:
        """The contract's answer; the plot is drawn anew, the numbers are kept for `CACHE_TTL_S`.

        `languages` are those whose posts count; None: those that the model reads.
        """
        keyword = " ".join(keyword.split())
        languages = languages or self._read_languages
        shared, origins = await self._shared(keyword, limit, languages, read=True)
        remember_origins(origins)  # of each who waited for it, not of the first one only
        answer = shared | {"keyword": keyword}
        answer["degraded"] = self._degraded(fallback_used=answer["fallback_used"])
        answer["plot_base64"] = None
        if return_plot:
            shares = [(line["label"], line["pct"]) for line in answer["agg"]]
            answer["plot_base64"] = await asyncio.to_thread(
                pie_png, keyword, shares, answer["count"]
            )
        return answer

    async def refresh(self, keyword: str, limit: int) -> None:
        """Compute the answer anew and keep it; of the languages that the model reads."""
        await self._shared(keyword, limit, self._read_languages, read=False)

    def key(self, keyword: str, limit: int) -> str:
        """Under which key that answer is kept, while the champion is the one of now."""
        return self._key(self._parts.models.champion, keyword, limit, self._read_languages)

    @property
    def _read_languages(self) -> Languages:
        return languages_asked(None, self._parts.settings.languages)

    def _key(self, model: LoadedModel, keyword: str, limit: int, languages: Languages) -> str:
        unknown = languages.unknown  # the model's languages may be set anew
        asked = f"{tidy(keyword)}\x00{limit}\x00{languages}\x00{unknown}".encode()
        digest = hashlib.blake2b(asked, digest_size=16).hexdigest()
        mark = model_mark(self._parts.settings.model_name, model)
        return f"{CACHED}{mark}:{digest}"

    def _degraded(self, *, fallback_used: bool) -> bool:
        return (
            bool(self._parts.models.note)
            or self._parts.analyses.degraded
            or fallback_used
            or self._parts.failsafe.degraded
        )

    async def _shared(
        self, keyword: str, limit: int, languages: Languages, *, read: bool
    ) -> _Found:
        """The answer, kept or computed once for all who ask at the same time."""
        # One model for the key and for what is kept under it, whatever is exchanged meanwhile.
        champion = self._parts.models.champion

        async def fetch(keys: Sequence[str]) -> dict[str, _Found]:
            [key] = keys
            kept = await self._parts.analyses.get_many([key]) if read else {}
            if kept:
                return {key: (orjson.loads(kept[key]) | {"source": "cache"}, frozenset({"cache"}))}
            answer, origins = await self._compute(champion, keyword, limit, languages)
            await self._write(key, answer)
            return {key: (answer | {"source": "inference"}, origins)}

        key = self._key(champion, keyword, limit, languages)
        return (await self._flights.fetch([key], fetch))[key]

    async def _compute(
        self, champion: LoadedModel, keyword: str, limit: int, languages: Languages
    ) -> _Found:
        engine = self._parts.engine
        stored, others = await asyncio.to_thread(mentioning_in, engine, keyword, limit, languages)
        found, searched = await self._on_demand.search(keyword, limit)
        known = {(row.source, row.external_id) for row in stored} | others.keys()
        stored_as = self._parts.broker.authors.hidden  # an id that holds a name is kept as a hash
        new = [post for post in found if stored_as(post).key not in known]
        if new:
            await asyncio.to_thread(keep_found, self._parts, new)
        fresh = [post for post in new if languages.have(post.language)]
        answers = await self._judge(champion, fresh)
        others |= {p.key: p.language or UNKNOWN for p in new if not languages.have(p.language)}
        moods = [mood_of_row(row) for row in stored]
        moods += [mood_of_answer(post, said) for post, said in zip(fresh, answers, strict=True)]
        newest = sorted(moods, key=lambda mood: mood.created_at, reverse=True)[:limit]
        fallback_used = any(mood.fallback for mood in moods)
        models = self._parts.models
        emotion = await asyncio.to_thread(label_shares, models, "emotion", newest)
        sentiment = await asyncio.to_thread(label_shares, models, "sentiment", newest)
        analysis = {
            "keyword": keyword,
            "limit": limit,
            "count": len(newest),
            "agg": emotion[0],
            "sentiment": sentiment[0],
            "uncertainty": {"emotion": emotion[1], "sentiment": sentiment[1]},
            "searched": [{"source": "stored", "posts": len(stored), "error": None}, *searched],
            "time": datetime.now(UTC).isoformat(),
            "model_version": champion.version,
            "judged_by": Counter(mood.judged_by for mood in newest),
            "fallback_used": fallback_used,
            "degraded": self._degraded(fallback_used=fallback_used),
            **told_languages(languages, [Counter(others.values())]),
        }
        origins: set[str] = {said.origin for said in answers}
        return analysis, frozenset(origins or {"stored"})

    async def _judge(self, champion: LoadedModel, posts: Sequence[Post]) -> list[Answer]:
        """What is said of posts that are not stored yet."""
        if not posts:
            return []
        return await self._parts.answers.answer([post.text for post in posts], champion)

    async def _write(self, key: str, answer: dict[str, Any]) -> None:
        # An answer that a source or the model had no part in is asked anew once they may be back.
        searched = all(line["error"] is None for line in answer["searched"])
        whole = searched and not answer["fallback_used"]
        ttl = self._parts.settings.cache_ttl_s
        seconds = ttl if whole else min(ttl, ASK_AGAIN_S)
        await self._parts.analyses.keep(key, orjson.dumps(answer), seconds)
