"""`barometer ingest --follow` as a process: stopped, killed, and started again in the middle."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from barometer.broker import Broker
from barometer.database import engine_for, migrate
from barometer.events import track
from barometer.source_states import position_of
from tests.brokers import Stream
from tests.command_line import Running, started
from tests.ingestion.bluesky_reading import HARBOUR
from tests.ingestion.jetstream_server import JetstreamServer, created, message

FOLLOW = ("ingest", "--follow")
pytestmark = pytest.mark.parametrize("stream", ["Redis"], indirect=True)


async def ended(call: Running) -> str:
    """Its log, once it has ended by itself and well."""
    await asyncio.to_thread(call.process.join, 10)
    log = call.err.read_text()
    assert call.process.exitcode == 0, log
    assert "Traceback" not in log
    return log


async def soon(check: Callable[[], Any]) -> None:
    async with asyncio.timeout(15):
        while not check():  # noqa: ASYNC110  another process does it
            await asyncio.sleep(0.02)


async def test_goes_on_without_gap_or_double_however_it_ends(
    jetstream: JetstreamServer, stream: Stream, broker: Broker, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    migrate(url)
    engine = engine_for(url)
    track(engine, HARBOUR)
    env = {
        "BAROMETER_DATABASE_URL": url,
        "BAROMETER_REDIS_URL": stream.settings.broker_url,
        "BAROMETER_BLUESKY_URL": jetstream.url,
    }
    with started(*FOLLOW, state=tmp_path, **env) as call:
        await jetstream.is_asked(1)
        await jetstream.write(*(created(n, f"harbour {n}") for n in range(70)), message(70))
        await soon(broker.backlog)
        os.kill(call.process.pid or 0, signal.SIGTERM)
        assert '"following"' in await ended(call)
    saved = position_of(engine, "bluesky", "")
    await jetstream.write(*(created(n, f"harbour {n}") for n in range(71, 90)))
    with started(*FOLLOW, "--source", "bluesky", state=tmp_path, **env) as call:
        await jetstream.is_asked(2)
        assert jetstream.asked[1].cursor == saved["cursor"] - 5_000_000
        await jetstream.write(*(created(n, f"harbour {n}") for n in range(90, 190)))
        await soon(lambda: broker.backlog() > 100)
        call.process.kill()
    await jetstream.write(*(created(n, f"harbour {n}") for n in range(190, 200)))
    with started(*FOLLOW, state=tmp_path, **env) as call:
        await soon(lambda: broker.backlog() == 199)
        os.kill(call.process.pid or 0, signal.SIGINT)
        await ended(call)
    entries = broker.receive("t", 1_000, block_ms=10)
    numbers = Counter(int(entry.post.text.split()[1]) for entry in entries if entry.post)
    assert sorted(numbers) == [n for n in range(200) if n != 70]
    assert set(numbers.values()) == {1}
