"""Hacker News' search in the shape of its API: phrases, tags, numeric filters, pages, and no more
than 1,000 hits of one search. A feed server carries it over HTTP."""

import json
import math
import operator
import re
import time
from dataclasses import dataclass, field
from typing import Any

from tests.ingestion.feed_server import Exchange, FeedServer

REACHABLE = 1_000
COMPARED = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}


def comment(
    number: int, text: str = "The harbour is lovely", *, age_s: int = 0, **changed: Any
) -> Any:
    """A comment as the API gives it; `age_s` seconds old."""
    at = int(time.time()) - age_s
    return {
        "objectID": str(number),
        "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
        "created_at_i": at,
        "author": "ann",
        "comment_text": text,
        "story_id": 1,
        "story_title": "Show HN: a harbour",
        "parent_id": 1,
        "_tags": ["comment", "author_ann", "story_1"],
        "_highlightResult": {"comment_text": {"value": text, "matchLevel": "full"}},
    } | changed


def story(number: int, title: str, text: str | None = None, *, age_s: int = 0) -> Any:
    told = comment(number, age_s=age_s)
    for name in ("comment_text", "story_title", "parent_id"):
        del told[name]
    return told | {"title": title, "story_text": text, "_tags": ["story"], "points": 7}


@dataclass
class Algolia:
    """What the index holds."""

    feeds: FeedServer
    hits: list[Any] = field(default_factory=list)

    def open(self) -> str:
        """Serve the search; gives its address."""
        self.feeds.serve("/api/v1/search_by_date", self.answer)
        return self.feeds.base + "/api/v1"

    def answer(self, exchange: Exchange) -> None:
        asked = {name: values[0] for name, values in exchange.asked.query.items()}
        found = [hit for hit in self.hits if _matches(hit, asked)]
        found.sort(key=lambda hit: hit["created_at_i"], reverse=True)
        per_page, page = int(asked.get("hitsPerPage", 20)), int(asked.get("page", 0))
        reached = found[:REACHABLE]
        body = json.dumps({
            "hits": reached[page * per_page : (page + 1) * per_page],
            "nbHits": len(found),
            "page": page,
            "nbPages": math.ceil(len(reached) / per_page),
            "hitsPerPage": per_page,
            "exhaustiveNbHits": True,
            "processingTimeMS": 1,
        }).encode()  # fmt: skip
        exchange.start(200, {"Content-Type": "application/json; charset=utf-8"}, len(body))
        exchange.wfile.write(body)


def _matches(hit: Any, asked: dict[str, str]) -> bool:
    searched = ("title", "story_text", "comment_text", "story_title", "author", "url")
    text = " ".join(str(hit.get(name) or "") for name in searched).casefold()
    phrases = re.findall(r'"([^"]*)"', asked["query"]) or asked["query"].split()
    tags = asked["tags"].strip("()").split(",")
    return (
        all(phrase.casefold() in text for phrase in phrases)
        and any(tag in hit["_tags"] for tag in tags)
        and all(_holds(hit, each) for each in asked.get("numericFilters", "").split(",") if each)
    )


def _holds(hit: Any, condition: str) -> bool:
    name, compared, value = re.fullmatch(r"(\w+)([<>]=?)(\d+)", condition).groups()  # type: ignore[union-attr]
    return bool(COMPARED[compared](hit[name], int(value)))
