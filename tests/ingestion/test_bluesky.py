"""The bluesky source: a real WebSocket server sends what Jetstream sends."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from barometer.posts import Post
from tests.ingestion.bluesky_reading import END, HARBOUR, read, stream
from tests.ingestion.jetstream_server import (
    ANN,
    POSTS,
    START_US,
    JetstreamServer,
    commit,
    created,
    message,
)

SEEN = datetime(2026, 2, 25, 6, 13, 20, tzinfo=UTC)
"""When the server saw post 0."""


async def replayed(jetstream: JetstreamServer, *messages: Any, **given: Any) -> list[Post]:
    """What is found in these messages, with the position before them all."""
    await jetstream.write(*messages, END)
    return await read(stream(jetstream, **given), {"cursor": START_US})


async def test_a_post_has_what_the_message_tells(jetstream: JetstreamServer) -> None:
    [post] = await replayed(
        jetstream, created(0, "So glad:\nthe Night  bus stays 🎉", langs=["de-AT"])
    )
    assert post == Post(
        source="bluesky",
        id=f"at://{ANN}/{POSTS}/3k00000000000",
        text="So glad:\nthe Night  bus stays 🎉",
        created_at=datetime(2026, 2, 25, 6, 13, 10, 123_000, tzinfo=UTC),
        author=ANN,
        url=f"https://bsky.app/profile/{ANN}/post/3k00000000000",
        language="de",
    )


async def test_the_server_is_asked_for_posts_alone_from_now_on(jetstream: JetstreamServer) -> None:
    jetstream.url += "?key=1"
    following = asyncio.create_task(read(stream(jetstream), position := {}))
    await jetstream.is_asked(1)
    await jetstream.write(commit(1, record={}, collection="app.bsky.feed.like"), END)
    assert await following == []
    [asked] = jetstream.asked
    assert asked.query == {
        "key": ["1"], "wantedCollections": [POSTS], "maxMessageSizeBytes": ["100000"]
    }  # fmt: skip
    assert asked.headers["User-Agent"].startswith("Barometer/")
    assert "Sec-WebSocket-Extensions" not in asked.headers
    assert position == {}


@pytest.mark.parametrize(
    ("claimed", "told"),
    [
        ("2026-02-24T06:13:20Z", datetime(2026, 2, 24, 6, 13, 20, tzinfo=UTC)),
        ("2026-02-25T08:13:19.5+02:00", datetime(2026, 2, 25, 6, 13, 19, 500_000, tzinfo=UTC)),
        ("2026-02-24T06:13:19Z", SEEN),
        ("2026-02-25T06:13:21Z", SEEN),
        ("2026-02-25T06:13:10", SEEN),
        ("0001-01-01T00:00:00+14:00", SEEN),
        ("soon", SEEN),
        (5, SEEN),
        (None, SEEN),
    ],
)
async def test_the_author_s_clock_is_believed_within_a_day(
    jetstream: JetstreamServer, claimed: object, told: datetime
) -> None:
    [post] = await replayed(jetstream, created(0, "harbour", createdAt=claimed))
    assert post.created_at == told


@pytest.mark.parametrize(
    ("languages", "told"),
    [(["en"], "en"), (["pt-BR"], "pt"), (["EN"], "en"), (["en", "de"], None), ([], None),
     (None, None), ("en", None), ([7], None), (["x" * 40], None)],
)  # fmt: skip
async def test_a_language_is_taken_where_one_is_named(
    jetstream: JetstreamServer, languages: object, told: str | None
) -> None:
    [post] = await replayed(jetstream, created(0, "harbour", langs=languages))
    assert post.language == told


async def test_what_is_no_new_post_is_passed_over(jetstream: JetstreamServer) -> None:
    source = stream(jetstream)
    record = created(0, "harbour")["commit"]["record"]
    await jetstream.write(
        message(1, kind="identity", identity={"handle": "harbour"}),
        message(2, kind="account", account={"active": False, "status": "deleted"}),
        message(3, kind="of the future"),
        commit(4, "delete"),
        commit(5, "update", record=record),
        created(6, "harbours"),
        created(7, "x" * 100_000 + " harbour"),
        created(8, ""),
        END,
    )
    assert await read(source, {"cursor": START_US}) == []
    assert source.unreadable == 0


ODD: list[bytes | dict[str, Any]] = [
    b"", b"\xff\xfe", b"{", b"null", b"7", b'"harbour"', b"[" * 5_000, b"[]", b"{}",
    b'{"time_us": "1772000000000000"}', b'{"time_us": 1772000000000000.0}', b'{"time_us": 1}',
    b'{"time_us": 1e400}', b'{"time_us": 1772000000000000}',
    message(1, kind="commit"), message(1, kind="commit", commit=[1]), commit(1, record=None),
    commit(1, record="harbour"), commit(1, record={}), commit(1, record={"text": ["harbour"]}),
    created(1, "harbour") | {"did": "javascript:alert(1)"}, created(1, "harbour") | {"did": 5},
    commit(1, record={"text": "harbour"}, rkey="a/../b"),
    commit(1, record={"text": "harbour " * 3_000}),
]  # fmt: skip


async def test_what_nobody_can_read_is_counted_and_ends_nothing(jetstream: JetstreamServer) -> None:
    source = stream(jetstream)
    raw = [each if isinstance(each, bytes) else orjson.dumps(each) for each in ODD]
    await jetstream.write(*raw, created(2, "the harbour is fine"), END)
    with capture_logs() as logs:
        posts = await read(source, {"cursor": START_US})
    assert [post.text for post in posts] == ["the harbour is fine"]
    assert source.unreadable == len(ODD)
    assert [line["so_far"] for line in logs] == [1, 2, 4, 8, 16]


async def test_goes_on_before_the_last_message_without_gap(jetstream: JetstreamServer) -> None:
    position: dict[str, Any] = {"cursor": START_US}
    source = stream(jetstream)
    await jetstream.write(*(created(n, f"harbour {n}") for n in range(20)))
    first = await read(source, position, end=created(15, ""))
    assert position == {"cursor": START_US + 14_000_000}, "15 was yielded, not asked beyond"
    await jetstream.write(END)
    again = await read(source, position)
    assert jetstream.asked[1].cursor == START_US + 9_000_000
    numbers = [int(post.text.split()[1]) for post in first + again]
    assert sorted(set(numbers)) == list(range(20))


async def test_what_the_server_no_longer_has_is_said(jetstream: JetstreamServer) -> None:
    await jetstream.write(created(3_600, "harbour"), END)
    with capture_logs() as logs:
        await read(stream(jetstream), {"cursor": START_US})
    [line] = logs
    assert "posts are lost" in line["event"]
    assert line["since"] == "2026-02-25T06:13:15+00:00"
    assert line["until"] == "2026-02-25T07:13:20+00:00"


@pytest.mark.parametrize("cursor", ["soon", 5, None, 1.772e15])
async def test_a_cursor_of_another_kind_is_not_sent(
    jetstream: JetstreamServer, cursor: Any
) -> None:
    following = asyncio.create_task(read(stream(jetstream), {"cursor": cursor}))
    await jetstream.is_asked(1)
    await jetstream.write(END)
    await following
    assert jetstream.asked[0].cursor is None


async def test_nothing_from_before_the_events_is_asked_for(jetstream: JetstreamServer) -> None:
    tracked = HARBOUR.model_copy(update={"created_at": SEEN})
    following = asyncio.create_task(read(stream(jetstream), {"cursor": 10**15}, (tracked,)))
    await jetstream.is_asked(1)
    await jetstream.write(END)
    await following
    assert jetstream.asked[0].cursor == START_US - 5_000_000


async def test_a_cursor_from_the_future_does_not_skip_the_present(
    jetstream: JetstreamServer,
) -> None:
    following = asyncio.create_task(read(stream(jetstream), {"cursor": 9 * 10**15}))
    await jetstream.is_asked(1)
    await jetstream.write(created(0, "") | {"time_us": 8 * 10**15}, END | {"time_us": 8 * 10**15})
    await following
    cursor = jetstream.asked[0].cursor
    assert cursor
    assert abs(datetime.now(UTC).timestamp() - 5 - cursor / 1e6) < 2


async def test_another_event_is_noticed_without_a_new_connection(
    jetstream: JetstreamServer,
) -> None:
    asking = [HARBOUR]
    position: dict[str, Any] = {"cursor": START_US}
    await jetstream.write(created(0, "harbour"), created(1, "one ferry"))
    async with aclosing(stream(jetstream).follow(lambda: tuple(asking), position)) as following:
        assert (await anext(following)).text == "harbour"
        coming = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0.05)
        assert position == {"cursor": START_US + 1_000_000}, "passed over, and the cursor moved"
        asking[:] = [HARBOUR.model_copy(update={"keywords": ("ferry",)})]
        await jetstream.write(created(2, "harbour"), created(3, "another ferry"))
        assert (await coming).text == "another ferry"
    assert len(jetstream.asked) == 1
