"""Sources that are killed in the middle of a reading: the stream gets each post once, and all."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from barometer.back_pressure import Pressure
from barometer.events import Event
from barometer.posts import Post
from ingestion.calls.allowance import Allowance
from ingestion.hackernews.search import HackerNewsSource
from ingestion.intake import Intake
from ingestion.mastodon.timelines import MastodonSource
from ingestion.reading import read_source
from ingestion.source import Position, Source
from tests.brokers import Stream
from tests.ingestion.algolia import Algolia, comment
from tests.ingestion.feed_server import FeedServer
from tests.ingestion.mastodon_instance import Instance, numbered
from tests.ingestion.reading_sources import EVENT, ids

pytestmark = [
    pytest.mark.parametrize("stream", ["Redis"], indirect=True),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


class KilledError(Exception):
    """The process ends here."""


class Mortal:
    """A source whose process ends before its post number `last`."""

    def __init__(self, source: Source, last: int) -> None:
        self.name, self._source, self._last = source.name, source, last

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        count = 0
        async for post in self._source.read(event, position):
            if (count := count + 1) == self._last:
                raise KilledError
            yield post


def mastodon(feeds: FeedServer, engine: Engine) -> Source:
    address = Instance(feeds, {"harbour": numbered(range(110))}).open()
    return MastodonSource(servers=[address], engine=engine, timeout_s=2.0, max_bytes=500_000)


def hackernews(feeds: FeedServer, engine: Engine) -> Source:
    url = Algolia(feeds, [comment(n, age_s=500 - n) for n in range(100)]).open()
    allowance = Allowance(engine, "hackernews", 100, timedelta(hours=1))
    return HackerNewsSource(url=url, allowance=allowance, timeout_s=2.0, max_bytes=500_000)


@pytest.mark.parametrize(("opened", "posts"), [(mastodon, 110), (hackernews, 100)])
def test_each_post_is_in_the_stream_once(
    feeds: FeedServer, stream: Stream, engine: Engine, opened: object, posts: int
) -> None:
    broker = stream.open(author_names="plain")  # else ids that hold a name are hashed
    assert callable(opened)
    source: Source = opened(feeds, engine)

    async def reading(of: Source) -> int:
        return (
            await read_source(of, EVENT, Intake(broker, Pressure(broker, 1_000), engine))
        ).accepted

    with pytest.raises(KilledError):
        asyncio.run(reading(Mortal(source, 77)))
    assert broker.backlog() == 50  # one chunk was published, and its position never saved
    assert asyncio.run(reading(source)) == posts - 50
    assert asyncio.run(reading(source)) == 0
    in_stream = [e.post for e in broker.receive("t", 1_000, block_ms=10) if e.post is not None]
    assert sorted(map(int, ids(in_stream))) == list(range(posts))
