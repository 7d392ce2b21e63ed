"""newsapi.org as its free plan answers, from its published protocol."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.ingestion.feed_server import Exchange, FeedServer

KEY = "0123456789abcdef0123456789abcdef"
NOON = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
PAGE = 100


def article(number: int, at: datetime, title: str = "", **fields: Any) -> dict[str, Any]:
    return {
        "source": {"id": "harbour-daily", "name": "Harbour Daily"},
        "author": "Ada Writer",
        "title": title or f"Harbour vote {number} - Harbour Daily",
        "description": f"What happened at {number}.",
        "url": f"https://daily.example/{number}",
        "urlToImage": None,
        "publishedAt": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "content": None,
        **fields,
    }


@dataclass
class NewsApi:
    """Serves `articles` and `headlines`; the free plan's limits hold."""

    server: FeedServer
    articles: list[dict[str, Any]] = field(default_factory=list)
    headlines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.works()

    @property
    def base(self) -> str:
        return self.server.base + "/v2"

    def works(self) -> None:
        self.server.serve("/v2/everything", self._everything)
        self.server.serve("/v2/top-headlines", self._top_headlines)

    def _everything(self, exchange: Exchange) -> None:
        query = {name: values[0] for name, values in exchange.asked.query.items()}
        if query["sortBy"] != "publishedAt" or int(query["pageSize"]) != PAGE:
            return _send(exchange, 400, _error("parameterInvalid"))
        if query.get("page", "1") != "1":
            return _send(exchange, 426, _error("maximumResultsReached"))
        oldest = datetime.now(UTC) - timedelta(days=30)
        if query["from"] < f"{oldest:%Y-%m-%dT%H:%M:%S}":
            return _send(exchange, 426, _error("parameterInvalid"))
        ends = query.get("to", "9999") + "Z"
        found = [a for a in self.articles if query["from"] + "Z" <= a["publishedAt"] <= ends]
        return self._answer(exchange, found)

    def _top_headlines(self, exchange: Exchange) -> None:
        self._answer(exchange, self.headlines)

    def _answer(self, exchange: Exchange, found: list[dict[str, Any]]) -> None:
        # The documentation takes the key in either header; the client sends this one.
        if exchange.headers["Authorization"] != KEY:
            return _send(exchange, 401, _error("apiKeyInvalid"))
        newest = sorted(found, key=lambda one: str(one["publishedAt"]), reverse=True)[:PAGE]
        body = {"status": "ok", "totalResults": len(found), "articles": newest}
        return _send(exchange, 200, body)


def _error(code: str) -> dict[str, str]:
    return {"status": "error", "code": code, "message": f"{code} for {KEY}"}


def _send(exchange: Exchange, status: int, content: Any) -> None:
    body = json.dumps(content).encode()
    exchange.start(status, {"Content-Type": "application/json; charset=utf-8"}, len(body))
    exchange.wfile.write(body)
