"""What the rss source yields, and what it remembers between readings."""

import json
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from barometer.errors import SettingsError
from barometer.events import Event
from barometer.settings import Settings
from ingestion.catalog import kind_of
from tests.ingestion.feed_bodies import ATOM_ENTRY, WHEN, atom, item, news_search, rss
from tests.ingestion.feed_server import FeedServer, feed, silent, status
from tests.ingestion.rss_reading import EVENT, read, read_until_fault, rss_source, texts

STORIES = [("Harbour closed after storm", "The Quay"), ("Ferries wait", "Sea & Land")]


async def test_of_a_configured_feed_only_entries_that_mention_the_event(feeds: FeedServer) -> None:
    body = rss(
        item("Harbour closed", guid="tag:1"),
        item("Market opens", guid="tag:2"),
        item("Late night", "All about the old #Harbour", guid="tag:3"),
        item("Harbours elsewhere", guid="tag:4"),
    )
    posts = await read(rss_source(feeds.serve("/daily", feed(body))))
    assert texts(posts) == ["Harbour closed", "Late night. All about the old #Harbour"]
    assert [post.id for post in posts] == ["tag:1", "tag:3"]
    assert {post.source for post in posts} == {"rss"}
    assert posts[0].created_at == WHEN
    assert posts[0].metadata == {"feed": "127.0.0.1", "title": "Harbour Daily"}


async def test_a_search_is_asked_per_keyword_and_all_it_finds_is_kept(feeds: FeedServer) -> None:
    feeds.serve("/search", feed(news_search("x", STORIES)))
    event = Event(slug="e", title="E", keywords=("storm & tide", "öl?"))
    source = rss_source(search_url=feeds.base + "/search?hl=en&q={keyword}&x={y}")
    posts = await read(source, event=event)
    asked = sorted(request.query["q"][0] for request in feeds.requests)
    assert asked == ["storm & tide", "öl?"]
    assert {request.query["x"][0] for request in feeds.requests} == {"{y}"}
    # Both searches found the same two stories; a headline repeated as summary is not doubled.
    assert texts(posts) == ["Harbour closed after storm - The Quay", "Ferries wait - Sea & Land"]
    assert [post.author for post in posts] == ["The Quay", "Sea & Land"]
    assert posts[0].url == "https://news.example/rss/articles/CBMi0?oc=5"


async def test_atom_with_relative_links_and_xhtml(feeds: FeedServer) -> None:
    url = feeds.serve("/sea/atom.xml", feed(atom(ATOM_ENTRY), "application/atom+xml"))
    (post,) = await read(rss_source(url))
    assert post.text == "Harbour reopens. Ships are back Crews cheer"
    assert post.url == feeds.base + "/stories/1"
    assert post.author == "Ann Keel"
    assert post.created_at == datetime(2025, 11, 20, 8, 30, tzinfo=UTC)
    assert post.metadata["title"] == "Harbour & Sea"


async def test_it_says_who_asks(feeds: FeedServer) -> None:
    await read(rss_source(feeds.serve("/daily", feed(rss()))))
    assert feeds.requests[0].headers["User-Agent"] == "Barometer/0.1.0 (feed reader)"


async def test_a_relative_link_tells_no_key_of_the_feed(feeds: FeedServer) -> None:
    url = feeds.serve("/atom", feed(atom('<entry><title>Harbour</title><link href="#1"/></entry>')))
    (post,) = await read(rss_source(url.replace("//", "//me:s3cret@") + "?key=s3cret"))
    assert post.url == url + "#1"
    assert "s3cret" not in post.model_dump_json()


@pytest.mark.parametrize(
    ("validators", "sent"),
    [
        ({"ETag": '"v1"'}, "If-None-Match"),
        ({"Last_Modified": "Thu, 20 Nov 2025 08:00:00 GMT"}, "If-Modified-Since"),
    ],
)
async def test_an_unchanged_feed_is_not_sent_again(
    feeds: FeedServer, validators: dict[str, str], sent: str
) -> None:
    url = feeds.serve("/daily", feed(rss(item("Harbour closed")), **validators))
    position: dict[str, Any] = {}
    assert len(await read(rss_source(url), position)) == 1
    position = json.loads(json.dumps(position))
    for _ in range(2):
        assert await read(rss_source(url), position) == []
    value = next(iter(validators.values()))
    assert [request.headers[sent] for request in feeds.requests] == [None, value, value]


async def test_of_a_changed_feed_only_new_entries(feeds: FeedServer) -> None:
    old, new = item("Harbour closed", guid="tag:1"), item("Harbour open", guid="tag:2")
    url = feeds.serve("/daily", feed(rss(old), ETag='"1"'), feed(rss(new, old), ETag='"2"'))
    position: dict[str, Any] = {}
    assert texts(await read(rss_source(url), position)) == ["Harbour closed"]
    assert texts(await read(rss_source(url), position)) == ["Harbour open"]
    assert await read(rss_source(url), position) == []
    assert feeds.requests[2].headers["If-None-Match"] == '"2"'


async def test_what_is_remembered_is_bounded_and_holds_a_long_feed(feeds: FeedServer) -> None:
    position: dict[str, Any] = {}
    for round_ in range(4):
        items = [item(f"Harbour {round_} {n}", guid=f"tag:{round_}-{n}") for n in range(450)]
        url = feeds.serve("/daily", feed(rss(*items)))
        source = rss_source(url, max_bytes=1_000_000)
        assert len(await read(source, position)) == 450
        assert await read(source, position) == []
    assert len(json.dumps(position)) < 30_000


async def test_a_reading_that_is_broken_off_loses_nothing(feeds: FeedServer) -> None:
    items = [item(f"Harbour {n}", guid=f"tag:{n}") for n in range(4)]
    url = feeds.serve("/daily", feed(rss(*items), ETag='"1"'))
    position: dict[str, Any] = {}
    async with aclosing(rss_source(url).read(EVENT, position)) as posts:
        assert [(await anext(posts)).text for _ in range(2)] == ["Harbour 0", "Harbour 1"]
    # The second was yielded but nobody came back for more: it may not have been taken.
    rest = await read(rss_source(url), position)
    assert texts(rest) == ["Harbour 1", "Harbour 2", "Harbour 3"]


async def test_the_position_holds_no_key_and_no_feed_that_is_gone(feeds: FeedServer) -> None:
    one = feeds.serve("/one", feed(rss(item("Harbour one")), ETag='"1"')) + "?token=s3cret"
    two = feeds.serve("/two", feed(rss(item("Harbour two")), ETag='"2"'))
    position: dict[str, Any] = {}
    await read(rss_source(one, two), position)
    assert "s3cret" not in json.dumps(position)
    assert '\\"1\\"' in json.dumps(position)
    await read(rss_source(two), position)
    assert '\\"1\\"' not in json.dumps(position)


async def test_entries_without_ids_or_dates(feeds: FeedServer) -> None:
    before = datetime.now(UTC)
    body = rss(
        item("Harbour with link", link="https://daily.example/a", when=None),
        item("Harbour bare", link="", when="yesterday-ish"),
        item("Harbour bare too", when=None),
        item("Harbour of tomorrow", guid="tag:t", when=before + timedelta(days=3)),
        item(None, None, guid="tag:nothing"),
    )
    url = feeds.serve("/daily", feed(body))
    position: dict[str, Any] = {}
    posts = await read(rss_source(url), position)
    assert len(posts) == len({post.id for post in posts}) == 4
    assert posts[0].id == posts[0].url == "https://daily.example/a"
    assert posts[1].url is None
    assert all(before <= post.created_at <= datetime.now(UTC) for post in posts)
    assert await read(rss_source(url), position) == []  # the made-up ids are the same again


async def test_atom_entries_with_empty_links_stay_apart(feeds: FeedServer) -> None:
    entries = [f'<entry><title>Harbour {n}</title><link href=""/></entry>' for n in range(3)]
    posts = await read(rss_source(feeds.serve("/atom", feed(atom(*entries)))))
    assert len({post.id for post in posts}) == 3
    assert {post.url for post in posts} == {None}


async def test_feeds_that_number_their_entries_do_not_collide(feeds: FeedServer) -> None:
    url = feeds.serve("/daily", feed(rss(item("Harbour", guid="17"))))
    other = url.replace("127.0.0.1", "localhost")
    posts = await read(rss_source(url, other))
    assert {post.id for post in posts} == {"127.0.0.1/17", "localhost/17"}


async def test_a_long_id_is_hashed(feeds: FeedServer) -> None:
    items = [item(f"Harbour {end}", guid="tag:" + "x" * 3_000 + end) for end in "ab"]
    posts = await read(rss_source(feeds.serve("/daily", feed(rss(*items)))))
    assert len({post.id for post in posts}) == 2
    assert max(len(post.id) for post in posts) <= 200


@pytest.mark.parametrize(
    ("encoding", "content_type"),
    [("iso-8859-1", "text/xml"), ("utf-16", "application/rss+xml"), ("windows-1252", "text/xml")],
)
async def test_other_encodings(feeds: FeedServer, encoding: str, content_type: str) -> None:
    body = rss(item("Harbour: señor Müller où"), encoding=encoding)
    posts = await read(rss_source(feeds.serve("/daily", feed(body, content_type))))
    assert texts(posts) == ["Harbour: señor Müller où"]


async def test_the_encoding_of_the_header_counts(feeds: FeedServer) -> None:
    body = rss(item("Harbour порт"), encoding="utf-8").replace(b' encoding="utf-8"', b"")
    body = body.decode().encode("koi8-r")
    url = feeds.serve("/daily", feed(body, "application/xml; charset=koi8-r"))
    assert texts(await read(rss_source(url))) == ["Harbour порт"]


async def test_an_empty_feed_is_no_fault(feeds: FeedServer) -> None:
    assert await read(rss_source(feeds.serve("/daily", feed(rss())))) == []


async def test_one_bad_feed_stops_no_other_and_no_key_is_told(feeds: FeedServer) -> None:
    good = [feeds.serve(f"/{n}", feed(rss(item(f"Harbour {n}")))) for n in range(3)]
    bad = feeds.serve("/gone", status(404)).replace("127.0.0.1", "localhost")
    worse = feeds.serve("/html", feed(b"<html><body><p>Harbour</body></html>", "text/html"))
    posts, message = await read_until_fault(
        rss_source(bad + "?apikey=s3cret", good[0], worse, *good[1:])
    )
    assert sorted(texts(posts)) == ["Harbour 0", "Harbour 1", "Harbour 2"]
    assert "2 of 5 feeds failed" in message
    assert "localhost answered 404" in message
    assert "127.0.0.1 cannot be read as RSS or Atom" in message
    assert "BAROMETER_FEEDS" in message
    assert "s3cret" not in message


async def test_a_slow_feed_holds_no_other_up(feeds: FeedServer) -> None:
    slow = feeds.serve("/slow", silent)
    quick = feeds.serve("/quick", feed(rss(item("Harbour now"))))
    started = datetime.now(UTC)
    async with aclosing(rss_source(slow, quick, timeout_s=30).read(EVENT, {})) as posts:
        assert (await anext(posts)).text == "Harbour now"
    assert datetime.now(UTC) - started < timedelta(seconds=5)


def test_it_says_which_setting_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no .env of this machine
    kind = kind_of("rss")
    neither = Settings(news_search_url="off", feeds=())
    assert kind.missing(neither) == "BAROMETER_FEEDS or BAROMETER_NEWS_SEARCH_URL"
    with pytest.raises(SettingsError, match="BAROMETER_FEEDS"):
        kind.open_polled(neither)
    assert kind.missing(Settings(news_search_url="off", feeds=("https://a.example/rss",))) is None
    assert kind.missing(Settings(news_search_url="https://a.example/?q={keyword}")) is None
