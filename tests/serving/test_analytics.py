from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from redis import Redis
from sqlalchemy import Engine

from barometer.events import new_event, track, untrack
from barometer.labels import EMOTIONS
from barometer.store import store
from inference.registry import LoadedModel
from tests.conftest import judgement, post
from tests.serving.counted import lookups
from tests.serving.test_shares import app_with, ask, fill, get, measured, stored

__all__ = ["measured", "stored"]  # fixtures


@pytest.fixture(autouse=True)
def events(stored: Engine) -> None:
    for title in ("Ferry", "Tunnel", "Kiosk"):
        track(stored, new_event(title, [title, f"{title} crew"]))


def test_events_are_compared_with_intervals_and_what_is_beyond_chance(
    redis: Redis, stored: Engine, measured: LoadedModel, tmp_path: Path
) -> None:
    fill(stored, "ferry", [40, 80, 20, 40, 10, 10])
    fill(stored, "tunnel", [40, 20, 20, 100, 10, 10])
    app = app_with(redis, stored, measured, tmp_path)
    found = ask(app, "/events/compare?slugs=tunnel,ferry,kiosk")
    by_event = {line["event"]: line for line in found["lines"]}
    assert [by_event[slug]["posts"] for slug in ("ferry", "tunnel", "kiosk")] == [200, 200, 0]
    assert found["empty"] == ["kiosk"]
    assert by_event["kiosk"]["sentiment_score"] is None
    assert {line["corrected_pct"] for line in by_event["kiosk"]["shares"]["emotion"]} == {None}
    anger = by_event["tunnel"]["shares"]["emotion"][3]
    assert anger["pct"] == 50
    assert anger["low_pct"] < anger["corrected_pct"] < anger["high_pct"]
    score = by_event["ferry"]["sentiment_score"]
    assert score["mean"] == pytest.approx(0.6)
    assert score["low"] == score["high"] == score["mean"]  # all posts have the same score
    beyond = {line["label"] for line in found["differences"] if line["beyond_chance"]}
    assert beyond == {"joy", "anger"}
    assert {line["event"] for line in found["differences"]} == {found["lines"][0]["event"]}
    assert abs(found["differences"][0]["points"]) > 25


def test_alike_groups_seldom_differ_beyond_chance(
    redis: Redis, stored: Engine, measured: LoadedModel, tmp_path: Path
) -> None:
    rng = np.random.default_rng(4)
    for n in range(22):
        fill(stored, "ferry", rng.multinomial(20, [0.3, 0.3, 0.3, 0.05, 0.05, 0]), source=f"s{n}")
    app = app_with(redis, stored, measured, tmp_path)
    found = ask(app, "/events/compare?slugs=ferry&by=source")
    assert len(found["lines"]) == 20
    assert found["omitted_groups"] == 2
    # Of 20 posts some 6 are sad; angry and afraid is one each: too few to test. All are positive.
    labels = [line["label"] for line in found["differences"]]
    assert {name: labels.count(name) for name in labels} == dict.fromkeys(
        ("sadness", "joy", "love"), 20
    )
    assert not any(line["beyond_chance"] for line in found["differences"])


def test_places_are_compared_and_posts_without_one_are_a_group(
    redis: Redis, stored: Engine, measured: LoadedModel, tmp_path: Path
) -> None:
    fill(stored, "ferry", [2, 3, 0, 0, 0, 0], location="Oslo")
    fill(stored, "ferry", [1, 0, 0, 0, 0, 0], source="other")
    fill(stored, "tunnel", [0, 2, 0, 0, 0, 0], location="Oslo")
    app = app_with(redis, stored, measured, tmp_path)
    found = ask(app, "/events/compare?slugs=ferry,tunnel,all&by=location")
    groups = [(line["event"], line["group"], line["posts"]) for line in found["lines"]]
    assert groups == [("all", "Oslo", 7), ("ferry", "Oslo", 5), ("tunnel", "Oslo", 2),
                      ("all", None, 1), ("ferry", None, 1)]  # fmt: skip
    assert found["differences"] == []  # too few posts to test


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/events/compare", 422, "slugs"),
        ("/events/compare?slugs=ferry", 422, "slugs"),
        ("/events/compare?slugs=ferry,ferry", 422, "slugs"),
        ("/events/compare?slugs=a,b,c,d,e,f,g,h,i", 422, "slugs"),
        ("/events/compare?slugs=Ferry,tunnel", 422, "slugs"),
        ("/events/compare?slugs=ferry,none", 404, None),
        ("/events/compare?slugs=ferry,tunnel&by=author", 422, "by"),
        ("/events/compare?slugs=ferry,tunnel&minutes=0", 422, "minutes"),
        ("/analytics?hours=0", 422, "hours"),
        ("/analytics?hours=337", 422, "hours"),
        ("/explain", 422, "text"),
        ("/explain?text=", 422, "text"),
        ("/explain?text=%20", 422, "text"),
        ("/explain?text=a%00b", 422, "text"),
        ("/explain?text=" + "x" * 2_001, 422, "text"),
        ("/explain?text=fine&model=none", 404, None),
        ("/events/all/trends?minutes=300&point_shares=true", 422, "point_shares"),
    ],
)
def test_bad_questions_get_a_problem(
    redis: Redis, stored: Engine, model: LoadedModel, tmp_path: Path,
    path: str, status: int, field: str | None,
) -> None:  # fmt: skip
    response = get(app_with(redis, stored, model, tmp_path), path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json().get("field") == field


def test_compare_is_no_slug(
    redis: Redis, stored: Engine, model: LoadedModel, tmp_path: Path
) -> None:
    app = app_with(redis, stored, model, tmp_path)
    response = get(app, "/events", {"title": "Compare"})
    assert (response.status_code, response.json()["field"]) == (422, "slug")


def test_figures_of_the_system_agree_with_what_is_stored(
    redis: Redis, stored: Engine, measured: LoadedModel, tmp_path: Path
) -> None:
    fill(stored, "ferry", [3, 5, 0, 2, 0, 0], "the Ferry crew sings")
    fill(stored, "tunnel", [0, 2, 0, 0, 0, 0], "a tunnel", source="other")
    fill(stored, "none", [0, 0, 0, 1, 0, 0], "nothing in particular")
    earlier = datetime.now(UTC) - timedelta(hours=3)
    store(stored, [(post("old", "old ferry", created_at=earlier, events=("ferry",)), judgement())])
    app = app_with(redis, stored, measured, tmp_path)
    found = ask(app, "/analytics?hours=5")
    assert found["posts"] == sum(hour["posts"] for hour in found["hours"]) == 14
    assert len(found["hours"]) == 5
    assert found["hours"][1]["posts"] == 1
    assert found["sources"] == [
        {"source": "test", "posts": 12, "sentiment_score": 0.6},
        {"source": "other", "posts": 2, "sentiment_score": 0.6},
    ]
    assert [(line["slug"], line["posts"]) for line in found["events"]] == [
        ("ferry", 11), ("tunnel", 2),
    ]  # fmt: skip
    assert found["keywords"] == [
        {"keyword": "ferry", "posts": 11}, {"keyword": "ferry crew", "posts": 10},
        {"keyword": "tunnel", "posts": 2},
    ]  # fmt: skip
    assert found["keywords_among_posts"] == 14
    assert found["confidence"] == pytest.approx(0.9)
    counts = {line["label"]: line["posts"] for line in found["shares"]["emotion"]}
    assert counts == dict(zip(EMOTIONS, [3, 8, 0, 3, 0, 0], strict=True))
    assert found["shares"]["emotion"][1]["corrected_pct"] is not None
    nothing = ask(app_with(redis, stored, measured, tmp_path), "/analytics?hours=1")
    assert nothing["hours"][0]["start"] == nothing["start"]


def test_figures_are_counted_once_for_all_who_ask_and_say_when(
    redis: Redis, stored: Engine, measured: LoadedModel, tmp_path: Path
) -> None:
    fill(stored, "ferry", [1, 0, 0, 0, 0, 0])
    app = app_with(redis, stored, measured, tmp_path)
    for path in ("/analytics?hours=2", "/events/compare?slugs=ferry,all"):
        hits, misses = lookups("aggregates")
        first = ask(app, path)
        fill(stored, "tunnel", [1, 0, 0, 0, 0, 0], source=path.partition("?")[0])
        assert ask(app, path) == first
        assert lookups("aggregates") == (hits + 1, misses + 1)
        assert abs(datetime.now(UTC) - datetime.fromisoformat(first["time"])) < timedelta(minutes=1)
    assert ask(app, "/analytics?hours=3")["posts"] == 3
    untrack(stored, "ferry")
    assert get(app, "/events/compare?slugs=ferry,all").status_code == 404


def test_figures_of_an_empty_system_are_none(
    redis: Redis, stored: Engine, measured: LoadedModel, tmp_path: Path
) -> None:
    found = ask(app_with(redis, stored, measured, tmp_path), "/analytics")
    assert (found["posts"], found["sentiment_score"], found["confidence"]) == (0, None, None)
    assert found["events"] == found["keywords"] == found["sources"] == []


def test_word_that_carries_the_mood_has_the_largest_effect(
    redis: Redis, stored: Engine, model: LoadedModel, tmp_path: Path
) -> None:
    app = app_with(redis, stored, model, tmp_path)
    found = ask(app, "/explain?text=i%20was%20absolutely%20terrified%20on%20that%20bridge")
    assert [word["word"] for word in found["words"]] == [
        "i", "was", "absolutely", "terrified", "on", "that", "bridge",
    ]  # fmt: skip
    said = ask(app, "/predict", {"text": "i was absolutely terrified on that bridge"})
    assert found["emotion"] == {"label": "fear", "confidence": said["confidence"]}
    assert max(found["words"], key=lambda word: word["emotion"])["word"] == "terrified"
    assert found["words"][3]["emotion"] > 0.3
    assert found["model_used"] == "barometer:7"
    long = ask(app, "/explain?text=" + "happy%20" * 70)
    assert (len(long["words"]), long["words_left"]) == (64, 6)
    assert len(ask(app, "/explain?text=hello")["words"]) == 1


def test_answers_are_described(redis: Redis, stored: Engine, model: LoadedModel) -> None:
    app = app_with(redis, stored, model, Path())
    paths = ask(app, "/docs.json")["paths"]
    for path in ("/events/compare", "/analytics", "/explain"):
        schema = paths[path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert schema["$ref"].startswith("#/components/schemas/")
