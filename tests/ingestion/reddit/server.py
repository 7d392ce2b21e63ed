"""Reddit's published protocol on a local server: tokens, listings, search, `api/info`."""

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from pydantic import SecretStr
from sqlalchemy import Engine

from barometer.events import Event
from ingestion.calls.allowance import Allowance
from ingestion.reddit.client import CALLS_A_MINUTE, RedditAccess
from tests.ingestion.feed_server import Answer, Exchange, FeedServer

EVENT = Event(slug="harbour", title="Harbour", keywords=("harbour",), sources=("reddit",))
CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD = "app1d", "app-s3cret", "barometrist", "pa55word"
SECRETS = (CLIENT_SECRET, PASSWORD, "t0ken")
SEARCH, NEW, COMMENTS, INFO = "/r/city/search/", "/r/city/new", "/r/city/comments/", "/api/info/"
TOKEN = "/api/v1/access_token"  # noqa: S105  a path
START = 1_790_000_000
Thing = dict[str, Any]


@dataclass
class Reddit:
    """What is at Reddit, and what it tells of it."""

    server: FeedServer
    things: dict[str, Thing] = field(default_factory=dict)
    """By fullname, as Reddit shows them."""
    unlisted: set[str] = field(default_factory=set)
    headers: dict[str, str] = field(default_factory=dict)
    """Of each listing, such as the `x-ratelimit-*` ones."""
    page: int = 100
    """Things of one listing at most."""

    def submit(self, number: int, title: str, selftext: str = "", **fields: Any) -> str:
        name = f"t3_{number:06d}"
        self.things[name] = {"kind": "t3", "data": {
            "approved_at_utc": None, "subreddit": "city", "selftext": selftext, "title": title,
            "author_fullname": "t2_1x", "saved": False, "name": name, "id": name[3:],
            "num_comments": 4, "score": 17, "upvote_ratio": 0.9, "removed_by_category": None,
            "author": "dock_worker", "created_utc": float(START + number), "is_self": True,
            "permalink": f"/r/city/comments/{name[3:]}/title/", "over_18": False,
            "url": f"https://www.reddit.com/r/city/comments/{name[3:]}/title/", **fields,
        }}  # fmt: skip
        return name

    def comment(self, number: int, body: str, **fields: Any) -> str:
        name = f"t1_{number:06d}"
        self.things[name] = {"kind": "t1", "data": {
            "subreddit": "city", "author": "ferry_fan", "name": name, "id": name[3:], "body": body,
            "created_utc": float(START + number), "link_id": "t3_000001", "parent_id": "t3_000001",
            "link_title": "Harbour", "replies": "", "score": 2, "num_comments": 4,
            "permalink": f"/r/city/comments/000001/title/{name[3:]}/", **fields,
        }}  # fmt: skip
        return name

    def delete(self, name: str) -> None:
        """As its author does: no listing shows it any more, `api/info` only what is left."""
        self.unlisted.add(name)
        data = self.things[name]["data"]
        data["author"] = "[deleted]"
        data["body" if name.startswith("t1") else "selftext"] = "[deleted]"

    def listing(self, kind: str) -> Answer:
        """Newest first, paged by `limit`, `after` and `before`, searched by the phrases of `q`."""

        def answer(exchange: Exchange) -> None:
            query = {name: values[0] for name, values in exchange.asked.query.items()}
            phrases = [p.strip('"').lower() for p in query.get("q", "").split(" OR ")]
            names = [
                name
                for name, thing in sorted(self.things.items(), key=lambda item: item[0])[::-1]
                if thing["kind"] == kind and name not in self.unlisted
                and any(p in json.dumps(thing, ensure_ascii=False).lower() for p in phrases)
            ]  # fmt: skip
            limit = min(int(query.get("limit", 25)), self.page)
            if "before" in query:
                end = names.index(query["before"]) if query["before"] in names else 0
                start = max(end - limit, 0)
            else:
                start = names.index(query["after"]) + 1 if "after" in query else 0
                end = min(start + limit, len(names))
            self._send(exchange, names[start:end], names[end - 1] if end < len(names) else None)

        return answer

    def info(self, exchange: Exchange) -> None:
        """What is known of the fullnames that are asked for."""
        [names] = exchange.asked.query["id"]
        self._send(exchange, [name for name in names.split(",") if name in self.things], None)

    def _send(self, exchange: Exchange, names: list[str], after: str | None) -> None:
        if exchange.asked.headers["Authorization"] != "bearer t0ken":
            send_json(exchange, {"message": "Unauthorized", "error": 401}, 401)
            return
        data = {
            "after": after, "dist": len(names), "modhash": None, "geo_filter": "",
            "children": [self.things[name] for name in names], "before": None,
        }  # fmt: skip
        send_json(exchange, {"kind": "Listing", "data": data}, headers=self.headers)


def send_json(
    exchange: Exchange, content: Any, code: int = 200, headers: dict[str, str] | None = None
) -> None:
    body = json.dumps(content).encode()
    named = {"Content-Type": "application/json; charset=UTF-8", **(headers or {})}
    exchange.start(code, named, len(body))
    exchange.wfile.write(body)


def token(exchange: Exchange) -> None:
    """A token for whoever knows the app's secret and, with a grant for it, the password."""
    form = {name: values[0] for name, values in parse_qs(exchange.asked.body.decode()).items()}
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    if exchange.asked.headers["Authorization"] != f"Basic {basic}":
        send_json(exchange, {"message": "Unauthorized", "error": 401}, 401)
    elif form["grant_type"] == "password" and form["password"] != PASSWORD:
        send_json(exchange, {"error": "invalid_grant"})
    else:
        life = {"expires_in": 86_400, "scope": "*", "token_type": "bearer"}
        send_json(exchange, {"access_token": "t0ken", **life})


def access(engine: Engine, **changed: Any) -> RedditAccess:
    """Who asks, with short patience."""
    fields: dict[str, Any] = {
        "client_id": CLIENT_ID, "client_secret": SecretStr(CLIENT_SECRET), "username": USERNAME,
        "password": SecretStr(PASSWORD), "timeout_s": 2.0, "max_bytes": 1_000_000,
        "allowance": Allowance(engine, "reddit", CALLS_A_MINUTE, timedelta(minutes=1)),
    }  # fmt: skip
    return RedditAccess(**{**fields, **changed})


def written(number: int) -> datetime:
    return datetime.fromtimestamp(START + number, UTC)
