import json
from datetime import UTC, datetime
from uuid import uuid4

from websockets.sync.client import connect

from tests.machine import Machine


def test_scored_posts_and_metrics_arrive_as_they_happen(machine: Machine) -> None:
    mark = uuid4().hex
    with connect(machine.url.replace("http", "ws") + "/live") as live:
        body = {"id": mark, "text": "i feel wonderful", "created_at": datetime.now(UTC).isoformat()}
        machine.post("/ingest", {"source": "form", "posts": [body]})
        messages = []
        while not ({"metrics"} <= {m["type"] for m in messages} and _scored(messages, mark)):
            messages.append(json.loads(live.recv(timeout=20)))
    [scored] = _scored(messages, mark)
    assert scored["emotion"] == "joy"
    assert scored["model_version"] == "1"
    metrics = next(m for m in messages if m["type"] == "metrics")
    assert metrics["posts_per_minute"] >= 0
    assert metrics["backlog"] >= 0


def _scored(messages: list[dict], mark: str) -> list[dict]:
    return [m["post"] for m in messages if m["type"] == "scored" and m["post"]["id"] == mark]
