"""The API of X, version 2, from its published protocol: recent search, rules, filtered stream."""

import json
import queue
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Engine

from ingestion.x.client import XAccess
from ingestion.x.posts import id_at
from tests.ingestion.feed_server import Exchange, FeedServer

TOKEN = "AAAAsecret%2Btoken"  # noqa: S105  the server's own
SEARCH, STREAM = "/2/tweets/search/recent", "/2/tweets/search/stream"
RULES = STREAM + "/rules"
NOON = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)


def tweet(number: int, at: datetime | None = None, text: str = "", **fields: Any) -> dict[str, Any]:
    moment = at or NOON + number * timedelta(seconds=10)
    own_id = str(id_at(moment) + number)
    return {
        "id": own_id,
        "edit_history_tweet_ids": [own_id],
        "text": text or f"the harbour vote, {number}",
        "author_id": "77",
        "created_at": f"{moment:%Y-%m-%dT%H:%M:%S}.000Z",
        "lang": "en",
        "public_metrics": {"retweet_count": 1, "like_count": 2, "impression_count": 9},
        **fields,
    }


USERS = {"users": [{"id": "77", "name": "Ada", "username": "ada"}]}
PROBLEM = "https://api.twitter.com/2/problems/"
NOT_FOUND = {"title": "Not Found Error", "type": PROBLEM + "resource-not-found", "value": "78"}


@dataclass
class XApi:
    """Serves `tweets` to searches, and what is `publish`ed to those who follow."""

    server: FeedServer
    tweets: list[dict[str, Any]] = field(default_factory=list)
    rules: dict[str, dict[str, str]] = field(default_factory=dict)
    followers: list["queue.Queue[bytes | None]"] = field(default_factory=list)
    keep_alive_s: float = 0.05
    most_rules: int = 25
    delivered: int = 0
    """Posts that the API has given out, as it would count them."""
    errors: list[dict[str, Any]] = field(default_factory=list)
    """Partial errors of a good answer."""

    def __post_init__(self) -> None:
        self.works()

    @property
    def base(self) -> str:
        return self.server.base

    def works(self) -> None:
        self.server.serve(SEARCH, self._search)
        self.server.serve(RULES, self._rules)
        self.server.serve(STREAM, self._stream)

    def publish(self, *tweets: dict[str, Any]) -> None:
        """Send these to whoever follows, each with the rules that it matches."""
        for one in tweets:
            matching = [
                {"id": rule["id"], "tag": rule["tag"]}
                for rule in self.rules.values()
                if any(phrase in one["text"] for phrase in re.findall('"([^"]*)"', rule["value"]))
            ]
            line = {"data": one, "includes": USERS, "matching_rules": matching}
            if matching:
                self.send(json.dumps(line).encode() + b"\r\n")

    def send(self, line: bytes | None) -> None:
        """Send this line as it is; None ends the connections."""
        for follower in self.followers:
            follower.put(line)

    def _search(self, exchange: Exchange) -> None:
        query = {name: values[0] for name, values in exchange.asked.query.items()}
        if not self._is_allowed(exchange):
            return None
        size = int(query["max_results"])
        assert 10 <= size <= 100
        assert len(query["query"]) <= 512
        since, until = int(query.get("since_id", 0)), int(query.get("until_id", 2**63))
        if since and since < id_at(datetime.now(UTC) - timedelta(days=7)):
            return _send(exchange, 400, {"errors": [{"message": "'since_id' is too old"}]})
        found = [one for one in self.tweets if since < int(one["id"]) < until]
        found.sort(key=lambda one: int(one["id"]), reverse=True)
        begins = int(query.get("next_token", "b0")[1:])
        page = found[begins : begins + size]
        self.delivered += len(page)
        meta: dict[str, Any] = {"result_count": len(page)}
        if page:
            meta |= {"newest_id": page[0]["id"], "oldest_id": page[-1]["id"]}
        if len(found) > begins + size:
            meta["next_token"] = f"b{begins + size}"
        body = {"data": page, "includes": USERS, "meta": meta} if page else {"meta": meta}
        return _send(exchange, 200, body | ({"errors": self.errors} if self.errors else {}))

    def _rules(self, exchange: Exchange) -> None:
        if not self._is_allowed(exchange):
            return None
        meta: dict[str, Any] = {"sent": "2026-01-01T00:00:00.000Z"}
        if exchange.asked.method == "GET":
            listed = {"data": list(self.rules.values())} if self.rules else {}
            return _send(exchange, 200, listed | {"meta": meta})
        asked = json.loads(exchange.asked.body)
        if "delete" in asked:
            for own_id in asked["delete"]["ids"]:
                del self.rules[own_id]
            return _send(exchange, 200, {"meta": meta | {"summary": {"deleted": 1}}})
        added, errors = [], []
        for rule in asked["add"]:
            if rule["value"] in {known["value"] for known in self.rules.values()}:
                errors.append({"title": "DuplicateRule", "type": PROBLEM + "duplicate-rules"})
            elif len(self.rules) >= self.most_rules:
                errors.append({"title": "RulesCapExceeded", "type": PROBLEM + "rule-cap"})
            else:
                own_id = str(1000 + len(self.server.requests) + len(added))
                self.rules[own_id] = {"id": own_id, **rule}
                added.append(self.rules[own_id])
        body = ({"data": added} if added else {}) | ({"errors": errors} if errors else {})
        return _send(exchange, 201 if added else 400, body | {"meta": meta})

    def _stream(self, exchange: Exchange) -> None:
        if not self._is_allowed(exchange):
            return None
        if not self.rules:
            return _send(exchange, 409, {"title": "ConnectionException", "detail": "no rules"})
        return self._send_lines(exchange)

    def _send_lines(self, exchange: Exchange) -> None:
        lines: queue.Queue[bytes | None] = queue.Queue()
        exchange.send_response(200)
        exchange.send_header("Content-Type", "application/json")
        exchange.send_header("Transfer-Encoding", "chunked")
        exchange.end_headers()
        self.followers.append(lines)
        try:
            while exchange.pause(0):
                try:
                    line = lines.get(timeout=self.keep_alive_s)
                except queue.Empty:
                    line = b"\r\n"
                if line is None:
                    break
                self.delivered += b'"data"' in line
                exchange.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        finally:
            self.followers.remove(lines)
        exchange.wfile.write(b"0\r\n\r\n")
        exchange.close_connection = True

    def _is_allowed(self, exchange: Exchange) -> bool:
        allowed = exchange.headers["Authorization"] == f"Bearer {TOKEN}"
        if not allowed:
            _send(exchange, 401, {"title": "Unauthorized", "status": 401})
        return allowed


def _send(exchange: Exchange, status: int, content: Any) -> None:
    body = json.dumps(content).encode()
    exchange.start(status, {"Content-Type": "application/json; charset=utf-8"}, len(body))
    exchange.wfile.write(body)


def access(
    api: XApi,
    ledger: Engine,
    monthly_posts: int = 10_000,
    *,
    timeout_s: float = 2.0,
    bearer_token: str = TOKEN,
) -> XAccess:
    """Who asks this server."""
    return XAccess(
        ledger, SecretStr(bearer_token), api.base, monthly_posts, timeout_s, max_bytes=200_000
    )
