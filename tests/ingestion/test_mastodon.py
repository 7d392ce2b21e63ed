"""What the mastodon source yields, and where it goes on."""

import json
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from barometer.events import Event
from ingestion.mastodon.timelines import MastodonSource
from tests.ingestion.feed_server import FeedServer, feed_server
from tests.ingestion.mastodon_instance import API, NOON, Instance, numbered, status
from tests.ingestion.reading_sources import EVENT, ids, read

TAG = API + "tag/harbour"


@pytest.fixture
def other_feeds(feeds: FeedServer) -> Iterator[FeedServer]:
    """A second server."""
    with feed_server() as server:
        yield server


def mastodon(
    ledger: Engine, *servers: str, timeout_s: float = 2.0, **changed: Any
) -> MastodonSource:
    limits = {"timeout_s": timeout_s, "max_bytes": 300_000} | changed
    return MastodonSource(servers=servers, engine=ledger, **limits)


async def test_a_status_becomes_a_post(feeds: FeedServer, ledger: Engine) -> None:
    content = (
        '<p>So happy 🎉 about the <a href="https://a.example/tags/harbour" class="mention hashtag">'
        '#<span>harbour</span></a>!</p><p>Größe &amp; 😀 <span class="h-card"><a href="x">@<span>'
        'bob</span></a></span><br>see <a href="https://b.example/story"><span class="invisible">'
        'https://</span><span class="ellipsis">b.example/sto</span><span class="invisible">'
        "ry</span></a></p>"
    )
    address = Instance(feeds, {"harbour": [status(7, content, language="de-AT")]}).open()
    (post,) = await read(mastodon(ledger, address), {})
    assert (
        post.text == "So happy 🎉 about the #harbour! Größe & 😀 @bob see https://b.example/story"
    )
    assert post.key == ("mastodon", "https://a.example/users/ann/statuses/7")
    assert post.url == "https://a.example/@ann/7"
    assert post.author == "ann@a.example"
    assert post.created_at == NOON + timedelta(seconds=7)
    assert post.language == "de"
    assert post.metadata == {"server": feeds.base.removeprefix("http://")}
    assert feeds.requests[0].headers["User-Agent"] == "Barometer/0.1.0 (public posts)"


async def test_warnings_are_read_and_sensitive_statuses_marked(
    feeds: FeedServer, ledger: Engine
) -> None:
    told = status(1, "<p>ruined</p>", spoiler_text="Harbour <3 & tides", sensitive=True)
    address = Instance(feeds, {"harbour": [told]}).open()
    (post,) = await read(mastodon(ledger, address), {})
    assert post.text == "Harbour <3 & tides. ruined"
    assert post.metadata["sensitive"] is True


async def test_what_is_no_public_utterance_is_passed_over(
    feeds: FeedServer, ledger: Engine
) -> None:
    boost = status(1, reblog=status(99))
    hidden = [status(n, visibility=v) for n, v in enumerate(["unlisted", "private", "direct"], 2)]
    empty = status(5, "<p></p>")
    bare = status(6, url="javascript:alert(1)", language=None, account={"acct": "eve"})
    ahead = status(7, created_at=(datetime.now(UTC) + timedelta(days=9)).isoformat())
    address = Instance(feeds, {"harbour": [boost, *hidden, empty, bare, ahead]}).open()
    position: dict[str, Any] = {}
    one, other = await read(mastodon(ledger, address), position)
    assert (one.url, one.language) == (None, None)
    assert one.author == f"eve@{feeds.base.removeprefix('http://')}"
    assert other.created_at <= datetime.now(UTC)
    assert await read(mastodon(ledger, address), position) == []


async def test_keywords_are_asked_for_as_hashtags(feeds: FeedServer, ledger: Engine) -> None:
    keywords = ("Night Trains", "night-trains", "Öl?", "2026", "🎉", "c++")
    tags = {"nighttrains": [status(1, "<p>so late</p>")], "%C3%B6l": [], "c": []}
    event = Event(slug="e", title="E", keywords=keywords)
    address = Instance(feeds, tags).open()
    # Under a hashtag of the event everything is about it, whatever its text says.
    assert ids(await read(mastodon(ledger, address), {}, event)) == ["1"]
    assert [r.path.removeprefix(API) for r in feeds.requests] == [
        *("tag/nighttrains", "tag/%C3%B6l", "tag/c"),
        "public",
    ]


async def test_of_the_public_timeline_what_mentions_the_event(
    feeds: FeedServer, ledger: Engine
) -> None:
    own = {"account": {"acct": "bob"}}
    public = [status(1, "<p>the harbour!</p>", **own), status(2, "<p>harbours</p>", **own)]
    address = Instance(feeds, public=public).open("harbour")
    assert ids(await read(mastodon(ledger, address), {})) == ["1"]
    assert feeds.asked(API + "public")[0].query["local"] == ["true"]


async def test_a_new_timeline_gives_three_pages_and_then_all_that_is_new(
    feeds: FeedServer, ledger: Engine
) -> None:
    instance = Instance(feeds, {"harbour": numbered(range(200))})
    source = mastodon(ledger, instance.open())
    position: dict[str, Any] = {}
    assert ids(await read(source, position)) == [str(n) for n in range(80, 200)]
    assert await read(source, json.loads(json.dumps(position))) == []
    instance.tagged["harbour"] += numbered(range(200, 345))
    assert ids(await read(source, position)) == [str(n) for n in range(200, 345)]
    assert await read(source, position) == []
    assert len(json.dumps(position)) < 5_500
    assert {request.query["limit"][0] for request in feeds.requests} == {"40"}


async def test_a_server_with_small_pages_is_read_to_the_end(
    feeds: FeedServer, ledger: Engine
) -> None:
    instance = Instance(feeds, {"harbour": numbered(range(20))}, most_per_page=20)
    source = mastodon(ledger, instance.open())
    position: dict[str, Any] = {}
    await read(source, position)
    instance.tagged["harbour"] += numbered(range(20, 75))
    assert ids(await read(source, position)) == [str(n) for n in range(20, 75)]


async def test_a_status_that_came_late_is_not_missed(feeds: FeedServer, ledger: Engine) -> None:
    instance = Instance(feeds, {"harbour": numbered(range(0, 60, 2))})
    source = mastodon(ledger, instance.open())
    position: dict[str, Any] = {}
    await read(source, position)
    # Another server was slow to send it: it is numbered by when it was written.
    instance.tagged["harbour"] += [status(31), status(60)]
    assert ids(await read(source, position)) == ["31", "60"]
    assert await read(source, position) == []


async def test_a_timeline_that_was_empty_is_read_from_its_beginning(
    feeds: FeedServer, ledger: Engine
) -> None:
    instance = Instance(feeds, {"harbour": []})
    source = mastodon(ledger, instance.open())
    position: dict[str, Any] = {}
    assert await read(source, position) == []
    instance.tagged["harbour"] += numbered(range(150))
    assert ids(await read(source, position)) == [str(n) for n in range(150)]


@pytest.mark.parametrize("taken", [1, 39, 41, 100])
async def test_a_reading_that_is_broken_off_goes_on_without_gap_or_double(
    feeds: FeedServer, ledger: Engine, taken: int
) -> None:
    instance = Instance(feeds, {"harbour": numbered(range(30))})
    source = mastodon(ledger, instance.open())
    position: dict[str, Any] = {}
    await read(source, position)
    instance.tagged["harbour"] += numbered(range(30, 180))
    first: list[str] = []
    async with aclosing(source.read(EVENT, position)) as posts:
        async for post in posts:
            first += ids([post])
            if len(first) > taken:
                break
    # The last was yielded, but nobody came back for more: it may not have been taken.
    rest = ids(await read(source, json.loads(json.dumps(position))))
    assert first[:taken] + rest == [str(n) for n in range(30, 180)]


async def test_one_status_on_two_servers_is_one_post(
    feeds: FeedServer, other_feeds: FeedServer, ledger: Engine
) -> None:
    one = Instance(feeds, {"harbour": [status(1), status(2)]}).open()
    other = Instance(other_feeds, {"harbour": [status(1) | {"id": "5"}, status(3)]}).open()
    posts = await read(mastodon(ledger, one, other), {})
    assert sorted(ids(posts)) == ["1", "2", "3"]


async def test_the_position_holds_no_password_and_nothing_that_is_gone(
    feeds: FeedServer, ledger: Engine
) -> None:
    address = Instance(feeds, {"harbour": [status(1)]}).open().replace("//", "//me:s3cret@")
    position: dict[str, Any] = {"servers": {"gone.example": {"read": {"tag/harbour": ["1"]}}}}
    await read(mastodon(ledger, address), position)
    assert "s3cret" not in json.dumps(position)
    assert "gone.example" not in position["servers"]
    await read(mastodon(ledger, address), position, Event(slug="e", title="E", keywords=("🎉",)))
    assert "tag/harbour" not in json.dumps(position)


async def test_odd_statuses_are_passed_over_and_counted(
    feeds: FeedServer, ledger: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    half = {"content": "half a \ud83d pair", "url": "https://a.example/\ud83d"}
    odd = [status(2) | {"uri": None}, status(4, account="s3cret"), status(5) | {"id": 5}]
    instance = Instance(feeds, {"harbour": [status(1), status(3, **half), *odd]})
    source = mastodon(ledger, instance.open())
    position: dict[str, Any] = {}
    one, other = await read(source, position)
    assert (one.id, other.text, other.url) == (status(1)["uri"], "half a pair", None)
    said = capsys.readouterr()
    assert "items=3" in said.out + said.err
    assert "s3cret" not in said.out + said.err
    assert await read(source, position) == []
