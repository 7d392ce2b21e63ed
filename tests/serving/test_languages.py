"""Posts in languages that the model does not read are kept and told of, and counted when asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from redis import Redis
from sqlalchemy import Engine

from barometer.client.contract import Analysis, Analytics, Comparison, PostPage, Trend
from barometer.events import new_event, track
from barometer.settings import Settings
from inference.registry import LoadedModel
from serving.app import attach, create_app
from serving.models import Models
from serving.parts import assemble
from tests.ingestion.feed_bodies import news_search
from tests.ingestion.feed_server import FeedServer, feed, feed_server
from tests.serving.test_shares import app_with, ask, fill, get, stored

__all__ = ["stored"]  # a fixture

OTHERS = {"de": 3, "fr": 2}


@pytest.fixture
def app(redis: Redis, stored: Engine, model: LoadedModel, tmp_path: Path) -> FastAPI:
    """Four joyful posts that count, and five angry ones in other languages, of two events."""
    for title in ("Ferry", "Fähre"):
        track(stored, new_event(title, [title]))
    fill(stored, "ferry", [0, 3, 0, 0, 0, 0], language="en")
    fill(stored, "ferry", [0, 1, 0, 0, 0, 0], source="short")
    fill(stored, "ferry", [0, 0, 0, 3, 0, 0], language="de")
    fill(stored, "ferry", [0, 0, 0, 2, 0, 0], source="short", language="fr")
    fill(stored, "faehre", [0, 0, 0, 1, 0, 0], text="die andere", language="de")
    return app_with(redis, stored, model, tmp_path)


def joy_and_anger(lines: list[dict[str, Any]]) -> tuple[int, int]:
    by_label = {line["label"]: line["posts"] for line in lines}
    return by_label["joy"], by_label["anger"]


ASKED: dict[str, tuple[str, tuple[int, int], dict[str, int]]] = {
    "": ("en", (4, 0), OTHERS),
    "&languages=all": ("all", (4, 5), {}),
    "&languages=en": ("en", (4, 0), OTHERS),
    "&languages=fr,de": ("de,fr", (0, 5), {"en": 3, "unknown": 1}),
    "&languages=de,en": ("de,en", (4, 3), {"fr": 2}),
    "&languages=pl": ("pl", (0, 0), {"de": 3, "en": 3, "fr": 2, "unknown": 1}),
}


def test_shares_count_the_languages_that_are_asked_for(app: FastAPI) -> None:
    for asked, expected in ASKED.items():
        assert_event(app, asked, *expected)
        assert_system(app, asked, *expected)


def assert_event(
    app: FastAPI, asked: str, counted: str, felt: tuple[int, int], others: dict[str, int]
) -> None:
    trend = ask(app, f"/events/ferry/trends?minutes=10{asked}")
    assert (trend["posts"], trend["languages"]) == (sum(felt), counted)
    assert joy_and_anger(trend["shares"]["emotion"]) == felt
    assert trend["other_languages"] == others
    assert sum(sum(p["other_languages"].values()) for p in trend["points"]) == sum(others.values())
    assert Trend.model_validate(trend).other_languages == others
    compared = ask(app, f"/events/compare?slugs=ferry,all{asked}")
    assert compared["languages"] == counted
    line = next(line for line in compared["lines"] if line["event"] == "ferry")
    assert joy_and_anger(line["shares"]["emotion"]) == felt
    assert line["other_languages"] == others
    assert ("ferry" in compared["empty"]) is (sum(felt) == 0)
    Comparison.model_validate(compared)


def assert_system(
    app: FastAPI, asked: str, counted: str, felt: tuple[int, int], others: dict[str, int]
) -> None:
    """The same of all events: one more post is German."""
    # The hours of /analytics are whole: an hour that just began holds no post of a minute ago.
    figures = ask(app, f"/analytics?hours=2{asked}")
    german = 1 if "de" in counted or counted == "all" else 0
    assert figures["posts"] == sum(felt) + german
    assert joy_and_anger(figures["shares"]["emotion"]) == (felt[0], felt[1] + german)
    assert sum(hour["posts"] for hour in figures["hours"]) == figures["posts"]
    assert sum(source["posts"] for source in figures["sources"]) == figures["posts"]
    assert sum(event["posts"] for event in figures["events"] if event["slug"] == "ferry") == sum(
        felt
    )
    assert figures["keywords_among_posts"] == figures["posts"]
    left = {code: posts + (code == "de") for code, posts in others.items()}
    assert figures["other_languages"] == left
    spoken = {row["language"]: row["posts"] for row in figures["by_language"]}
    assert spoken == {"de": 4, "en": 3, "fr": 2, None: 1}
    Analytics.model_validate(figures)


def test_languages_stand_side_by_side(app: FastAPI) -> None:
    lines = ask(app, "/events/compare?slugs=ferry&by=language")["lines"]
    assert [(line["group"], line["posts"]) for line in lines] == [
        ("de", 3), ("en", 3), ("fr", 2), (None, 1)
    ]  # fmt: skip


def test_places_whose_posts_are_not_counted_are_told(app: FastAPI) -> None:
    lines = ask(app, "/events/compare?slugs=ferry&by=source")["lines"]
    told = {line["group"]: (line["posts"], line["other_languages"]) for line in lines}
    assert told == {"test": (3, {"de": 3}), "short": (1, {"fr": 2})}


def test_feed_shows_every_text_with_its_language(app: FastAPI) -> None:
    page = PostPage.model_validate(ask(app, "/events/all/posts"))
    assert {(post.text, post.language) for post in page.posts} == {
        ("the ferry", "en"), ("die andere", "de")
    }  # fmt: skip


def test_what_names_no_language_is_refused(app: FastAPI) -> None:
    for languages in ("english", "EN", "en,", "zz", "al", "q" * 90, "", "en,zz"):
        for path in ("/analytics?", "/events/all/trends?", "/events/compare?slugs=ferry,all&"):
            response = get(app, f"{path}languages={languages}")
            assert (response.status_code, response.json()["field"]) == (422, "languages")
        response = get(app, "/analyze", {"keyword": "ferry", "languages": languages})
        assert (response.status_code, response.json()["field"]) == (422, "languages")


@pytest.fixture
def news() -> Iterator[FeedServer]:
    with feed_server() as server:
        yield server


def test_analysis_of_stored_and_found_posts(
    redis: Redis, stored: Engine, model: LoadedModel, tmp_path: Path, news: FeedServer, app: FastAPI
) -> None:
    found = [
        ("I love the great new ferry in our harbour", "Times"),
        ("Die neue Ferry im Hafen ist heute schon wieder ausgefallen", "Zeit"),
    ]
    search = news.serve("/search", feed(news_search("ferry", found))) + "?q={keyword}"
    parts = assemble(
        Settings(state_dir=tmp_path, news_search_url=search), stored, redis, Models(model)
    )
    attach(asking := create_app(), parts)
    mood = ask(asking, "/analyze", {"keyword": "ferry"})
    assert (mood["count"], mood["languages"]) == (5, "en")
    assert mood["other_languages"] == {"de": 4, "fr": 2}
    assert {line["source"]: line["posts"] for line in mood["searched"]} == {"stored": 4, "rss": 2}
    assert parts.broker.backlog() == 2  # what is not counted is kept
    every = ask(asking, "/analyze", {"keyword": "ferry", "languages": "all"})
    assert (every["count"], every["other_languages"], every["source"]) == (11, {}, "inference")
    german = ask(asking, "/analyze", {"keyword": "ferry", "languages": "de"})
    assert (german["count"], german["other_languages"]) == (4, {"en": 4, "fr": 2, "unknown": 1})
    again = ask(asking, "/analyze", {"keyword": "ferry", "languages": "en"})
    assert (again["source"], again["count"]) == ("cache", 5)
    Analysis.model_validate(again)


def test_analysis_passes_by_newer_posts_in_other_languages(app: FastAPI) -> None:
    mood = ask(app, "/analyze", {"keyword": "the ferry", "limit": 4})
    assert mood["count"] == 4
    assert mood["other_languages"].keys() <= OTHERS.keys()
