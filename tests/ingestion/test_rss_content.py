"""How the rss source takes broken and hostile bodies."""

import time
from pathlib import Path

import pytest

from tests.ingestion.feed_bodies import item, rss
from tests.ingestion.feed_server import FeedServer, feed
from tests.ingestion.rss_reading import read, read_until_fault, rss_source, texts

WHOLE = rss(item("Harbour one", guid="tag:1"), item("Harbour two", guid="tag:2"))
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "harbour">'
    + b"".join(b'<!ENTITY %c "%s">' % (c, b"&%c;" % (c - 1) * 10) for c in range(98, 108))
    + b"]><rss version='2.0'><channel><item><title>Harbour &k;</title></item></channel></rss>"
)


async def test_of_a_malformed_feed_what_can_be_read(feeds: FeedServer) -> None:
    torn = WHOLE[: WHOLE.index(b"Harbour two")].replace(b"<channel>", b"<channel><bad & >")
    posts = await read(rss_source(feeds.serve("/daily", feed(torn))))
    assert texts(posts) == ["Harbour one"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Harbour",
        b'{"title": "Harbour"}',
        b"<!doctype html><html><head><title>Harbour</title></head><body><p>log in</body></html>",
        WHOLE[: WHOLE.index(b"<item>")],
        bytes(range(256)) * 20,
        b'<?xml version="1.0" encoding="undefined"?><rss>',
        WHOLE.replace(b"two", b"&#xD800;"),
    ],
    ids=["empty", "text", "json", "html", "cut", "binary", "no codec", "half surrogate"],
)
async def test_what_is_no_feed_is_told(feeds: FeedServer, body: bytes) -> None:
    posts, message = await read_until_fault(rss_source(feeds.serve("/daily", feed(body))))
    assert posts == []
    assert "127.0.0.1 cannot be read as RSS or Atom" in message
    assert len(feeds.requests) == 1


async def test_a_body_that_names_a_file_opens_none(feeds: FeedServer, tmp_path: Path) -> None:
    local = tmp_path / "local.xml"
    local.write_bytes(WHOLE)
    url = feeds.serve("/daily", feed(str(local).encode()))
    posts, message = await read_until_fault(rss_source(url))
    assert posts == []
    assert "cannot be read as RSS or Atom" in message


async def test_outside_entities_are_not_fetched_and_bombs_do_not_unfold(feeds: FeedServer) -> None:
    feeds.serve("/secret", feed(b"secret"))
    outside = (
        f'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY x SYSTEM "{feeds.base}/secret">]>'
        "<rss version='2.0'><channel><item><title>Harbour &x;</title></item></channel></rss>"
    ).encode()
    urls = [feeds.serve("/a", feed(outside)), feeds.serve("/b", feed(BOMB))]
    started = time.monotonic()
    posts = await read(rss_source(*urls))
    assert len(posts) == 2
    assert all(post.text.startswith("Harbour") and len(post.text) < 50 for post in posts)
    assert feeds.asked("/secret") == []
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("encoding", ["ascii", "utf-16le"])
async def test_a_quadratic_codec_is_refused(feeds: FeedServer, encoding: str) -> None:
    head = '<?xml version="1.0" encoding="PunyCode"?>x-'.encode(encoding)
    by_header = feed(b"x-" + b"a" * 1_500_000, "text/xml; charset=punycode")
    urls = [feeds.serve("/a", feed(head + b"a" * 1_500_000)), feeds.serve("/b", by_header)]
    started = time.monotonic()
    _, message = await read_until_fault(rss_source(*urls, max_bytes=2_000_000))
    assert message.count("cannot be read as RSS or Atom") == 2
    assert time.monotonic() - started < 3


HOSTILE = (
    "<script>alert('harbour')</script><style>p{}</style><!-- no --><p onclick='x()'>Fire &amp; "
    "sm<b>oke</b><br>I &lt;3 you <img src=x alt='a > b'>\x0bsafe<![CDATA[ now</p>"
    "<iframe src='//evil'>inner</iframe><script>never closed"
)


async def test_hostile_html_becomes_plain_text(feeds: FeedServer) -> None:
    body = rss(
        item(
            "Harbour <b>up</b><script>alert(1)</script>",
            HOSTILE.replace("\x0b", "&#11;&#0;&#xD800;"),
            guid="tag:\u202e1",
            link="javascript:alert(1)",
            extra="<author>a@b.example (Eve &lt;script&gt;x&lt;/script&gt;)</author>",
        ),
        title="Daily <img src=x>",
    )
    (post,) = await read(rss_source(feeds.serve("/daily", feed(body))))
    assert post.text.startswith("Harbour up. Fire & smoke I <3 you")
    assert post.text.isprintable()
    for absent in ("alert", "onclick", "alt", "evil", "inner", "closed", " no "):
        assert absent not in post.text
    assert post.url is None
    assert "script" not in (post.author or "")
    assert post.metadata["title"] == "Daily"


async def test_control_characters_are_left_out(feeds: FeedServer) -> None:
    body = rss(item("Harbour A\x01B C\x7f", guid="tag:\x9f1", link="http://a.example/"))
    body = body.replace(b"B C", b"B&#0;C").replace(b"http:", b"\x02http:")
    (post,) = await read(rss_source(feeds.serve("/daily", feed(body))))
    assert post.text.startswith("Harbour A B")
    assert all(value.isprintable() for value in (post.text, post.id, post.url or ""))


@pytest.mark.parametrize("pattern", ["<a ", "<!--", "<![", "<a b='", "<script>", "&#x", "</"])
async def test_broken_markup_costs_no_time(feeds: FeedServer, pattern: str) -> None:
    items = [item("Harbour", pattern * 7_000, guid=f"tag:{n}") for n in range(20)]
    url = feeds.serve("/daily", feed(rss(*items)))
    started = time.monotonic()
    posts = await read(rss_source(url, max_bytes=5_000_000))
    assert len(posts) == 20
    assert time.monotonic() - started < 4


async def test_texts_are_bounded(feeds: FeedServer) -> None:
    body = rss(item("Harbour " + "very " * 200, "long " * 2_000, extra="<author>" + "n" * 999))
    body = body.replace(b"n</item>", b"n</author></item>")
    (post,) = await read(rss_source(feeds.serve("/daily", feed(body))))
    assert 1_900 < len(post.text) <= 2_000
    assert post.author is not None
    assert len(post.author) <= 256


@pytest.mark.parametrize(
    ("title", "summary", "text"),
    [
        ("Harbour closed!", "Boats wait", "Harbour closed! Boats wait"),
        ("Harbour closed", "HARBOUR  closed.", "Harbour closed"),
        ("Harbour closed - Quay", "Harbour closed", "Harbour closed - Quay"),
        ("Harbour closed", "😢😢", "Harbour closed. 😢😢"),
        (None, "The harbour burns", "The harbour burns"),
        ("Harbour AT&amp;T", None, "Harbour AT&T"),
    ],
)
async def test_title_and_summary_as_one_text(
    feeds: FeedServer, title: str | None, summary: str | None, text: str
) -> None:
    url = feeds.serve("/daily", feed(rss(item(title, summary, guid="tag:1"))))
    assert texts(await read(rss_source(url))) == [text]
