import json
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
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


def test_metrics_come_every_two_seconds(machine: Machine) -> None:
    with connect(machine.url.replace("http", "ws") + "/live") as live:
        told: list[datetime] = []
        while len(told) < 4:
            message = json.loads(live.recv(timeout=20))
            if message["type"] == "metrics":
                told.append(datetime.fromisoformat(message["time"]))
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(told)]
    assert min(gaps) > 1.9
    assert median(gaps) < 4  # two, and what a busy machine adds
