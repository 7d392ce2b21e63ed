"""The reddit source's search, through praw, against Reddit's protocol on a local server."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from barometer import __version__
from barometer.back_pressure import Pressure
from barometer.broker import Broker
from barometer.events import Event, track
from barometer.posts import Post
from barometer.settings import Settings
from barometer.source_states import position_of
from ingestion.catalog import kind_of
from ingestion.intake import Intake
from ingestion.reading import read_source
from ingestion.reddit.search import MAX_QUERY, RedditSource, queries_for
from tests.ingestion.reddit.server import (
    CLIENT_ID,
    CLIENT_SECRET,
    EVENT,
    PASSWORD,
    SEARCH,
    TOKEN,
    USERNAME,
    Reddit,
    access,
    written,
)


async def read(
    source: RedditSource, position: dict[str, Any] | None = None, event: Event = EVENT
) -> list[Post]:
    return [post async for post in source.read(event, {} if position is None else position)]


def ids(posts: list[Post]) -> list[str]:
    return [post.id for post in posts]


async def test_a_submission_becomes_a_post(reddit: Reddit, engine: Engine) -> None:
    reddit.submit(7, "The harbour is open 🚢", "Größe &amp; Glück\x07 für alle", author="Ana_B")
    [post] = await read(RedditSource(access(engine), ["city"]))
    assert post == Post(
        source="reddit",
        id="t3_000007",
        text="The harbour is open 🚢\n\nGröße &amp; Glück für alle",
        created_at=written(7),
        author="Ana_B",
        url="https://www.reddit.com/r/city/comments/000007/title/",
        metadata={"kind": "submission", "subreddit": "city", "score": 17, "num_comments": 4},
    )
    [asked] = reddit.server.asked(SEARCH)
    assert asked.query["q"] == ['"harbour"']
    assert asked.query["sort"] == ["new"]
    assert asked.query["restrict_sr"] == ["True"]
    agent = asked.headers["User-Agent"]
    assert f":barometer:{__version__} (by /u/{USERNAME})" in agent
    assert "PRAW/8" in agent


@pytest.mark.parametrize(
    ("password", "grant"), [(PASSWORD, "password"), ("", "client_credentials")]
)
async def test_an_account_s_password_may_be_left_out(
    reddit: Reddit, engine: Engine, password: str, grant: str
) -> None:
    reddit.submit(1, "harbour")
    who = access(engine, password=SecretStr(password))
    assert len(await read(RedditSource(who, ["city"]))) == 1
    [asked] = reddit.server.asked(TOKEN)
    assert parse_qs(asked.body.decode())["grant_type"] == [grant]


async def test_the_settings_open_it(reddit: Reddit, engine: Engine) -> None:
    reddit.submit(1, "harbour")
    reddit.server.answers["/r/city+docks/search/"] = [reddit.listing("t3")]
    settings = Settings(
        database_url=str(engine.url), reddit_client_id=CLIENT_ID, reddit_username=USERNAME,
        reddit_client_secret=SecretStr(CLIENT_SECRET), reddit_subreddits=("city", "docks"),
    )  # fmt: skip
    source = kind_of("reddit").open_polled(settings)
    assert len([post async for post in source.read(EVENT, {})]) == 1


async def test_pages_are_read_to_what_is_known_and_told_oldest_first(
    reddit: Reddit, engine: Engine
) -> None:
    for number in range(250):
        reddit.submit(number, f"harbour {number}")
    source, position = RedditSource(access(engine), ["city"]), {}
    assert ids(await read(source, position)) == [f"t3_{n:06d}" for n in range(250)]
    assert len(reddit.server.asked(SEARCH)) == 3
    assert await read(source, position) == []
    assert len(reddit.server.asked(SEARCH)) == 4
    for number in range(300, 420):
        reddit.submit(number, f"harbour {number}")
    reddit.submit(240, "indexed late: harbour", name="t3_00023z", id="00023z")
    late = reddit.things.pop("t3_000240")
    reddit.things["t3_00023z"] = late
    found = ids(await read(source, position))
    assert found == ["t3_00023z", *(f"t3_{n:06d}" for n in range(300, 420))]
    assert len(reddit.server.asked(SEARCH)) == 6
    assert len(json.dumps(position)) < 12_000


async def test_the_number_of_pages_is_bounded(reddit: Reddit, engine: Engine) -> None:
    for number in range(1_150):
        reddit.submit(number, "harbour")
    source, position = RedditSource(access(engine), ["city"]), {}
    found = ids(await read(source, position))
    assert (len(found), found[0], found[-1]) == (1_000, "t3_000150", "t3_001149")
    assert len(reddit.server.asked(SEARCH)) == 10
    assert await read(source, position) == []  # what is too old to be remembered is known as old


@pytest.mark.parametrize(
    "shown",
    [
        {"selftext": "[deleted]", "author": "[deleted]"},
        {"selftext": "[removed]"},
        {"title": "[ Removed by Reddit ]"},
        {"title": "[deleted by user]"},
        {"removed_by_category": "moderator"},
        {"created_utc": "soon"},
        {"created_utc": 1e300},
        {"title": ["harbour"], "selftext": None},
    ],
)
async def test_what_is_gone_or_malformed_is_left_out(
    reddit: Reddit, engine: Engine, shown: dict[str, Any]
) -> None:
    reddit.submit(1, "harbour one")
    reddit.submit(2, **{"title": "harbour two", **shown})
    source, position = RedditSource(access(engine), ["city"]), {}
    assert ids(await read(source, position)) == ["t3_000001"]
    assert await read(source, position) == []


async def test_a_deleted_account_leaves_a_post_without_author(
    reddit: Reddit, engine: Engine
) -> None:
    reddit.submit(1, "harbour", "still here", author="[deleted]")
    [post] = await read(RedditSource(access(engine), ["city"]))
    assert post.author is None


async def test_nothing_found_is_no_fault(reddit: Reddit, engine: Engine) -> None:
    reddit.submit(1, "something else", "entirely")
    position: dict[str, Any] = {}
    event = Event(slug="x", title="X", keywords=("harbour-fest",))
    assert await read(RedditSource(access(engine), ["city"]), position, event) == []


async def test_a_restart_in_the_middle_loses_and_doubles_nothing(
    reddit: Reddit, engine: Engine, broker: Broker
) -> None:
    track(engine, EVENT)
    reddit.page = 3
    for number in range(7):
        reddit.submit(number, f"harbour {number}")
    source = RedditSource(access(engine), ["city"])
    position: dict[str, Any] = {}
    reading = source.read(EVENT, position)
    seen = [(await anext(reading)).id for _ in range(4)]
    kept = json.loads(json.dumps(position))  # what is saved before the process dies
    await reading.aclose()
    reddit.submit(7, "harbour 7")
    again = ids(await read(RedditSource(access(engine), ["city"]), kept))
    assert seen[-1] == again[0] == "t3_000003"  # it was on its way
    assert seen[:-1] + again == [f"t3_{n:06d}" for n in range(8)]

    intake = Intake(broker, Pressure(broker, 1_000), engine)
    for accepted in (8, 0):
        told = await read_source(RedditSource(access(engine), ["city"]), EVENT, intake)
        assert (told.accepted, told.duplicates, told.error) == (accepted, 0, None)
    assert position_of(engine, "reddit", "harbour")["taken"][-1][1] == "t3_000007"
    entries = await asyncio.to_thread(broker.receive, "t", 100, 10)
    assert [e.post.id for e in entries if e.post] == [f"t3_{n:06d}" for n in range(8)]


def test_keywords_share_as_few_queries_as_hold_them() -> None:
    assert queries_for(["night trains", 'say "yes"']) == ['"night trains" OR "say  yes"']
    many = [f"{'x' * 90} {n}" for n in range(20)]
    queries = queries_for(many)
    assert all(len(query) <= MAX_QUERY for query in queries)
    assert [p.strip('"') for query in queries for p in query.split(" OR ")] == many
