"""A Mastodon server in the shape of its API: timelines with `min_id`, `max_id`, `local`, `limit`,
Link and X-RateLimit headers. A feed server carries it over HTTP."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.ingestion.feed_server import Answer, Exchange, FeedServer

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
API = "/api/v1/timelines/"


def status(
    number: int, content: str | None = None, *, home: str = "a.example", **changed: Any
) -> Any:
    """A status as the API gives it, of `home`, where it has the same number."""
    when = NOON + timedelta(seconds=number)
    return {
        "id": str(109_000_000_000_000_000 + number),
        "created_at": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "in_reply_to_id": None,
        "sensitive": False,
        "spoiler_text": "",
        "visibility": "public",
        "language": "en",
        "uri": f"https://{home}/users/ann/statuses/{number}",
        "url": f"https://{home}/@ann/{number}",
        "replies_count": 0,
        "content": f"<p>Harbour {number}</p>" if content is None else content,
        "reblog": None,
        "account": {"id": "1", "username": "ann", "acct": f"ann@{home}", "bot": False},
        "media_attachments": [],
        "tags": [{"name": "harbour", "url": f"https://{home}/tags/harbour"}],
        "emojis": [],
        "card": None,
        "poll": None,
    } | changed


@dataclass
class Instance:
    """What a server holds, oldest first, and how many requests it still allows."""

    feeds: FeedServer
    tagged: dict[str, list[Any]] = field(default_factory=dict)
    public: list[Any] = field(default_factory=list)
    remaining: int = 300
    resets_in: timedelta = timedelta(minutes=5)
    most_per_page: int = 40

    def open(self, *tags: str) -> str:
        """Serve the timelines; gives the server's address."""
        for tag in tags or self.tagged:
            self.feeds.serve(API + f"tag/{tag}", self.timeline(self.tagged.setdefault(tag, [])))
        self.feeds.serve(API + "public", self.timeline(self.public))
        return self.feeds.base

    def timeline(self, statuses: list[Any]) -> Answer:
        def answer(exchange: Exchange) -> None:
            self.remaining -= 1
            page, links = self._page(statuses, exchange)
            reset = (datetime.now(UTC) + self.resets_in).isoformat().replace("+00:00", "Z")
            headers = links | {
                "Content-Type": "application/json; charset=utf-8",
                "X-RateLimit-Limit": "300",
                "X-RateLimit-Remaining": str(max(self.remaining, 0)),
                "X-RateLimit-Reset": reset,
            }
            body = json.dumps(page).encode()
            if self.remaining < 0:
                exchange.start(429, headers, 0)
                return
            exchange.start(200, headers, len(body))
            exchange.wfile.write(body)

        return answer

    def _page(self, held: list[Any], exchange: Exchange) -> tuple[list[Any], dict[str, str]]:
        asked = {name: values[0] for name, values in exchange.asked.query.items()}
        statuses = sorted(held, key=lambda status: int(status["id"]))
        if asked.get("local") == "true":
            statuses = [status for status in statuses if "@" not in status["account"]["acct"]]
        limit = min(int(asked.get("limit", 20)), self.most_per_page)
        if "max_id" in asked:
            statuses = [s for s in statuses if int(s["id"]) < int(asked["max_id"])]
        if "min_id" in asked:
            page = [s for s in statuses if int(s["id"]) > int(asked["min_id"])][:limit]
        else:
            page = statuses[-limit:]
        page.reverse()
        if not page:
            return [], {}
        here = self.feeds.base + exchange.asked.path
        links = [f'<{here}?min_id={page[0]["id"]}>; rel="prev"']
        if len(page) == limit:
            links.insert(0, f'<{here}?max_id={page[-1]["id"]}>; rel="next"')
        return page, {"Link": ", ".join(links)}


def numbered(numbers: Iterable[int], **changed: Any) -> list[Any]:
    return [status(number, **changed) for number in numbers]
