import base64
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest

from barometer.labels import EMOTIONS, SENTIMENTS
from tests.machine import Machine, eventually

PNG = b"\x89PNG\r\n\x1a\n"


def now() -> str:
    return datetime.now(UTC).isoformat()


def test_probes(machine: Machine) -> None:
    assert machine.http.get("/healthz").status_code == 200
    assert machine.http.get("/readyz").status_code == 200
    assert b"barometer_requests_total" in machine.http.get("/metrics").content


def test_predict(machine: Machine) -> None:
    answer = machine.post(
        "/predict", {"text": "I am so happy about this, thank you &amp; well done! 🎉"}
    )
    assert answer["emotion"] == "joy"
    assert answer["sentiment"] == "positive"
    assert answer["confidence"] == answer["emotions"]["joy"] == max(answer["emotions"].values())
    assert list(answer["emotions"]) == list(EMOTIONS)
    assert list(answer["sentiments"]) == list(SENTIMENTS)
    assert sum(answer["emotions"].values()) == pytest.approx(1, abs=1e-4)
    assert answer["fallback_used"] is False
    assert answer["model_used"] == "barometer:1"
    assert answer["processing_time_ms"] > 0
    assert datetime.fromisoformat(answer["timestamp"]).tzinfo is not None


def test_batch_answers_in_the_order_of_the_texts(machine: Machine) -> None:
    texts = ["i am terrified", "what a lovely surprise, i adore you", "i am furious"] * 20
    answer = machine.post("/predict/batch", {"texts": texts, "model": "champion"})
    assert answer["batch_size"] == 60
    assert [result["emotion"] for result in answer["results"][::3]] == ["fear"] * 20
    assert [result["emotion"] for result in answer["results"][2::3]] == ["anger"] * 20


def test_posted_post_is_stored_once_and_found_by_keyword(machine: Machine) -> None:
    word = f"zeppelin{uuid4().hex[:6]}"
    posts = [
        {"id": f"{word}-1", "text": f"I love the {word}!", "created_at": now(), "author": None},
        {"id": f"{word}-2", "text": f"the {word} makes me so angry", "created_at": now()},
        {"id": f"{word}-2", "text": "the same id again", "created_at": now()},
        {"id": f"{word}-3", "text": "\x00", "created_at": now()},
    ]
    response = machine.http.post("/ingest", json={"source": "form", "posts": posts})
    assert response.status_code == 202
    answer = response.json()
    assert (answer["accepted"], answer["duplicates"]) == (2, 1)
    assert [item["index"] for item in answer["rejected"]] == [3]
    again = machine.post("/ingest", {"source": "form", "posts": posts[:2]})
    assert (again["accepted"], again["duplicates"]) == (0, 2)

    def stored() -> list[str]:
        feed = machine.get("/events/all/posts?limit=200")["posts"]
        return [post["id"] for post in feed if word in post["id"]]

    eventually(lambda: len(stored()) == 2, "the posts are not stored")
    first = machine.post("/analyze", {"keyword": word.upper()})
    assert first["source"] == "inference"
    assert first["count"] == 2
    assert first["degraded"] is False
    assert first["model_version"] == "1"
    assert [line["label"] for line in first["agg"]] == list(EMOTIONS)
    shares = {line["label"]: line["pct"] for line in first["agg"]}
    assert shares["anger"] == 50.0
    assert sum(shares.values()) == pytest.approx(100)
    assert first["plot_base64"] is None
    second = machine.post("/analyze", {"keyword": word.upper(), "return_plot": True})
    assert second["source"] == "cache"
    assert second["time"] == first["time"]
    assert base64.b64decode(second["plot_base64"]).startswith(PNG)


def test_repost_counts_and_is_listed_once(machine: Machine) -> None:
    word = f"zeppelin{uuid4().hex[:6]}"
    posts = [
        {"id": f"{word}-{n}", "text": f"I love the {word} https://x.example/{n}", "author": f"a{n}",
         "created_at": now()}
        for n in range(3)
    ]  # fmt: skip
    for each in posts:
        answer = machine.post("/ingest", {"source": "form", "posts": [each]})
        assert (answer["accepted"], answer["duplicates"]) == (1, 0)

    def listed() -> list[dict]:
        feed = machine.get("/events/all/posts?limit=200")["posts"]
        return [post for post in feed if word in post["id"]]

    eventually(lambda: sum(1 + post["reposts"] for post in listed()) == 3, "a post is missing")
    [first] = listed()
    assert (first["id"], first["reposts"]) == (f"{word}-0", 2)
    assert machine.post("/analyze", {"keyword": word})["count"] == 3


def test_keyword_that_nobody_used_is_an_answer_and_not_an_error(machine: Machine) -> None:
    answer = machine.post("/analyze", {"keyword": "qwxzv $x^2", "return_plot": True})
    assert answer["count"] == 0
    assert {line["pct"] for line in answer["agg"] + answer["sentiment"]} == {None}
    assert {line["avg_score"] for line in answer["agg"]} == {None}
    assert base64.b64decode(answer["plot_base64"]).startswith(PNG)


def test_event_from_tracking_to_forgetting(machine: Machine) -> None:
    body = {"title": "Night Bus <b>", "keywords": ["night bus"]}
    response = machine.http.post("/events", json=body)
    assert response.status_code == 201
    assert response.json()["slug"] == "night-bus-b"
    assert response.json()["posts"] > 0  # the bundled posts speak of it
    assert machine.http.post("/events", json=body).status_code == 409
    trend = machine.get("/events/night-bus-b/trends?minutes=120&step_s=300")
    assert len(trend["points"]) == 24
    assert sum(p["posts"] for p in trend["points"]) == trend["posts"] > 0
    assert sum(trend["emotions"].values()) == sum(trend["sentiments"].values()) == trend["posts"]
    feed = machine.get("/events/night-bus-b/posts?limit=5")["posts"]
    assert all("night bus" in post["text"].lower() for post in feed)
    first = machine.get("/events/night-bus-b/posts?limit=5")
    params = {"before": first["next"], "limit": 5}
    older = machine.http.get("/events/night-bus-b/posts", params=params).json()["posts"]
    assert not {post["id"] for post in first["posts"]} & {post["id"] for post in older}
    by_time = {"before": feed[0]["created_at"]}
    rest = machine.http.get("/events/night-bus-b/posts", params=by_time).json()["posts"]
    assert feed[0]["id"] not in [post["id"] for post in rest]
    assert machine.http.delete("/events/night-bus-b").status_code == 204
    assert machine.http.get("/events/night-bus-b").status_code == 404


def test_three_bundled_events_are_tracked_and_listed(machine: Machine) -> None:
    def counts() -> dict[str, int]:
        return {event["slug"]: event["posts"] for event in machine.get("/events")["events"]}

    # The day up to some minutes ago is counted once a minute.
    eventually(
        lambda: all(counts()[s] > 50 for s in ("aurora-line", "lumen-phone", "harbour-budget")),
        "an event has few posts",
        90,
    )


BAD = [
    ("/predict", {"text": ""}, 422, "text"),
    ("/predict", {"text": "   "}, 422, "text"),
    ("/predict", {"text": 7}, 422, "text"),
    ("/predict", {"text": None}, 422, "text"),
    ("/predict", {}, 422, "text"),
    ("/predict", {"text": "x" * 1_000_000}, 422, "text"),
    ("/predict", {"text": "a\x00b"}, 422, "text"),
    ("/predict", {"text": "ok", "modle": "champion"}, 422, "modle"),
    ("/predict", {"text": "ok", "model": "99"}, 404, None),
    ("/predict", [], 422, "body"),
    ("/predict/batch", {"texts": []}, 422, "texts"),
    ("/predict/batch", {"texts": ["x"] * 10_000}, 422, "texts"),
    ("/predict/batch", {"texts": ["fine", ""]}, 422, "texts.1"),
    ("/predict/batch", {"texts": "fine"}, 422, "texts"),
    ("/analyze", {"keyword": ""}, 422, "keyword"),
    ("/analyze", {"keyword": "x" * 101}, 422, "keyword"),
    ("/analyze", {"keyword": "a\x1b[2J"}, 422, "keyword"),
    ("/analyze", {"keyword": "x", "limit": 501}, 422, "limit"),
    ("/analyze", {"keyword": "x", "limit": "10"}, 422, "limit"),
    ("/ingest", {"source": "a b", "posts": [{}]}, 422, "source"),
    ("/ingest", {"source": "a", "posts": []}, 422, "posts"),
    ("/ingest", {"source": "a", "posts": [1]}, 422, "posts.0"),
    ("/ingest", {"source": "a", "posts": [{"id": "1"}] * 1_001}, 422, "posts"),
    ("/events", {"title": "   "}, 422, "title"),
    ("/events", {"title": "x" * 201}, 422, "title"),
    ("/events", {"title": "x", "slug": "A B"}, 422, "slug"),
    ("/events", {"title": "All"}, 422, "slug"),
    ("/events", {"title": "x", "sources": ["fax"]}, 422, "sources"),
    ("/events", {"title": "x", "keywords": ["a"] * 21}, 422, "keywords"),
]


@pytest.mark.parametrize(("path", "body", "status", "field"), BAD)
def test_bad_input_gets_a_problem_that_names_its_field(
    machine: Machine, path: str, body: object, status: int, field: str | None
) -> None:
    response = machine.http.post(path, json=body)
    assert response.status_code == status, response.text[:300]
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem.get("field") == field
    assert len(response.content) < 1_000  # a refused text is never sent back


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{not json", 422),
        (b'{"text": "\\ud83d"}', 422),
        (b"\xff\xfe", 422),
        (b" " * 8_000_001, 413),
    ],
)
def test_bad_bodies(machine: Machine, content: bytes, status: int) -> None:
    headers = {"content-type": "application/json"}
    response = machine.http.post("/predict", content=content, headers=headers)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


def test_endless_body_is_cut(machine: Machine) -> None:
    headers = {"content-type": "application/json"}
    pieces = (b" " * 1_000_000 for _ in range(20))
    try:
        response = machine.http.post("/predict", content=pieces, headers=headers)
    except (httpx.WriteError, httpx.ReadError):
        return  # the connection was closed on us while we still wrote
    assert response.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/events/none", 404),
        ("GET", "/events/none/trends", 404),
        ("GET", "/events/none/posts", 404),
        ("DELETE", "/events/none", 404),
        ("GET", "/drift/none", 404),
        ("GET", "/drift/a%00b", 422),
        ("GET", "/events/a%00b", 422),
        ("GET", "/events/A/trends", 422),
        ("GET", "/drift/..%2f..%2fbarometer.db", 404),
        ("PUT", "/predict", 405),
        ("GET", "/events/all/trends?minutes=0", 422),
        ("GET", "/events/all/trends?step_s=61", 422),
        ("GET", "/events/all/posts?emotion=boredom", 422),
        ("GET", "/events/all/posts?before=yesterday", 422),
        ("GET", f"/events/all/posts?before=2026-01-01T00:00:00Z~{2**31}", 422),
        ("GET", f"/events/all/posts?before=2026-01-01T00:00:00Z~{'9' * 26}", 422),
        ("GET", "/events/all/posts?before=2026-01-01T00:00:00Z~-1", 422),
    ],
)
def test_wrong_places_get_problems_too(
    machine: Machine, method: str, path: str, status: int
) -> None:
    response = machine.http.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


def test_status_names_every_part(machine: Machine) -> None:
    status = eventually(
        lambda: (s := machine.get("/status"))["status"] == "ok" and s, "the status is not ok"
    )
    assert set(status["parts"]) == {
        "database", "redis", "stream", "model", "failsafe", "scorer", "sync",
    }  # fmt: skip
    assert status["links"]["Prefect"] == machine.prefect


def test_documentation_and_pages_load_nothing_from_elsewhere(machine: Machine) -> None:
    docs = machine.http.get("/docs").text
    assert "http://" not in docs
    assert "https://" not in docs
    assert machine.http.get("/docs/assets/swagger-ui-bundle.js").status_code == 200
    paths = machine.get("/docs.json")["paths"]
    assert {"/analyze", "/predict", "/predict/batch", "/ingest", "/events"} <= set(paths)
    home = machine.http.get("/")
    assert "default-src 'self'" in home.headers["content-security-policy"]
    assert "unsafe" not in home.headers["content-security-policy"]
