"""Everything is killed, cut and filled while posts go in; nothing is lost, nothing doubled."""

import asyncio
import contextlib
import errno
import json
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, text, update

from barometer.events import new_event, track
from barometer.settings import REPOSITORY
from barometer.store import store
from barometer.tables import RollupRow
from serving.faults.plan import LARGEST_BATCH, POISON, Kind, batches, storm
from serving.faults.processes import TETHER, Kept, clean_environment
from serving.faults.proxy import Pipe, Proxy
from serving.faults.servers import postgres_programs
from serving.faults.verdict import judge
from tests.conftest import judgement, post
from tests.machine import eventually

POSTS = 1_500


def test_no_accepted_post_is_lost_or_doubled_while_everything_breaks() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "barometer", "bench", "faults", "--posts", str(POSTS),
         "--seconds", "30", "--seed", "8", "--json"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["lost"], found["twice"], found["left_in_stream"]) == (0, 0, 0)
    assert (found["counted_wrong"], found["stored_and_dead"], found["never_accepted"]) == ({}, 0, 0)
    assert found["accepted"] == POSTS
    assert (found["dead_lettered"], found["innocent"]) == (3, 0)
    assert found["stored"] == POSTS - 3
    assert min(found["broken"].values()) >= 1
    assert found["connections_reset"] >= 1
    assert found["ended_alone"]["redis"]  # the full disk ended it
    missing = set() if postgres_programs() else {Kind.DATABASE, Kind.DATABASE_CUT}
    assert set(found["broken"]) == {kind.value for kind in set(Kind) - missing}


def test_plan_is_the_seeds_and_holds_every_kind() -> None:
    told = datetime(2026, 3, 14, tzinfo=UTC)
    assert storm(5, 60, list(Kind)) == storm(5, 60, list(Kind)) != storm(6, 60, list(Kind))
    for seed in range(20):
        kinds = [fault.kind for fault in storm(seed, 25, list(Kind))]
        assert {*kinds, Kind.WORKER} == set(Kind)
        ends = [fault.at_s + fault.lasts_s for fault in storm(seed, 300, list(Kind))]
        starts = [fault.at_s for fault in storm(seed, 300, list(Kind))]
        assert all(end < start for end, start in zip(ends, starts[1:], strict=False))
    sent = batches(5, 2_000, told)
    assert sent == batches(5, 2_000, told) != batches(6, 2_000, told)
    keys = [key for batch in sent for key in batch.keys]
    assert len(set(keys)) == 2_000 < len(keys)  # some are sent twice
    texts = {item["text"] for batch in sent for item in batch.posts}
    assert len(texts) == 2_000
    assert sum(key[1].startswith(POISON) for key in set(keys)) == 4
    assert max(len(batch.posts) for batch in sent) <= LARGEST_BATCH + 1


def test_verdict_tells_what_is_lost_doubled_and_counted_wrong(engine: Engine) -> None:
    track(engine, new_event("Ferry"))
    judged = [(post(n, f"text {n}", events=("ferry",)), judgement()) for n in range(6)]
    store(engine, judged)
    keys = {("test", str(n)) for n in range(6)}
    good = judge(engine, keys, set())
    assert good.good
    assert (good.accepted, good.stored, good.dead) == (6, 6, 0)

    gone = judge(engine, keys | {("test", "7"), ("other", "1")}, {("test", "7")})
    assert not gone.good
    assert gone.lost == [("other", "1")]
    assert (gone.dead, gone.innocent) == (1, [("test", "7")])
    assert judge(engine, keys, {("test", "3")}).stored_and_dead == [("test", "3")]
    assert judge(engine, keys - {("test", "2")}, set()).never_accepted == [("test", "2")]

    with engine.begin() as connection:
        connection.execute(update(RollupRow).values(posts=RollupRow.posts + 1))
    counted = judge(engine, keys, set())
    assert not counted.good
    assert counted.counted_wrong == {0: 1, 1: 1}
    assert counted.summary()["counted_wrong"] == {"0": 1, "1": 1}


def test_verdict_finds_a_second_row_of_a_post(engine: Engine) -> None:
    store(engine, [(post(1), judgement())])
    twice = "CREATE TABLE copies AS SELECT * FROM posts UNION ALL SELECT * FROM posts"
    with engine.begin() as connection:  # a table without the unique key that forbids it
        for statement in (
            twice,
            "ALTER TABLE posts RENAME TO away",
            "ALTER TABLE copies RENAME TO posts",
        ):
            connection.execute(text(statement))
    assert judge(engine, {("test", "1")}, set()).twice == [("test", "1")]


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[tuple[int, list[bytes]]]:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(1000):
            heard.append(piece)
            writer.write(piece)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


class Caller:
    """One connection to a door, closed in the end."""

    def __init__(self, door: Proxy, stack: contextlib.AsyncExitStack) -> None:
        self._door = door
        self._stack = stack
        self._pipe: Pipe | None = None

    async def said(self, words: bytes) -> bytes:
        """What comes back for `words`."""
        if self._pipe is None:
            self._pipe = await asyncio.open_connection("127.0.0.1", self._door.port)
            self._stack.callback(self._pipe[1].close)
        reader, writer = self._pipe
        writer.write(words)
        return await asyncio.wait_for(reader.read(1000), 2)


@contextlib.asynccontextmanager
async def door_to_echo() -> AsyncIterator[tuple[Proxy, Callable[[], Caller], list[bytes]]]:
    async with echo() as (port, heard), contextlib.AsyncExitStack() as stack:
        dial = partial(asyncio.open_connection, "127.0.0.1", port)
        door = await stack.enter_async_context(Proxy(dial))
        yield door, partial(Caller, door, stack), heard


async def test_cut_door_halves_what_is_under_way_and_opens_again() -> None:
    async with door_to_echo() as (door, caller, heard):
        held = caller()
        assert await held.said(b"whole") == b"whole"
        cut = asyncio.create_task(door.cut(0.3, silent=False))
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionResetError):
            await held.said(b"half")
        await asyncio.sleep(0.3)
        with pytest.raises(ConnectionResetError):
            await caller().said(b"refused")
        await cut
        assert await caller().said(b"again") == b"again"
        assert heard == [b"whole", b"ha", b"again"]


async def test_silent_cut_swallows_and_resets_at_its_end() -> None:
    async with door_to_echo() as (door, caller, heard):
        held = caller()
        assert await held.said(b"whole") == b"whole"
        cut = asyncio.create_task(door.cut(0.3, silent=True))
        await asyncio.sleep(0)
        with pytest.raises(ConnectionResetError):
            await held.said(b"nobody hears this")
        await cut
        assert door.resets == 1
        assert await caller().said(b"again") == b"again"
        assert heard == [b"whole", b"again"]


FILLING = """
import errno, os, sys
from pathlib import Path
from serving.faults import small_disk
folder = Path(sys.argv[1])
(folder / "file").write_bytes(b"x")
small_disk.fill(folder)
try:
    (folder / "other").write_bytes(b"x" * 100_000)
except OSError as error:
    print(folder.is_mount(), errno.errorcode[error.errno], flush=True)
small_disk.free(folder)
(folder / "other").write_bytes(b"x" * 100_000)
"""


def test_small_disk_fills_for_one_command_only(tmp_path: Path) -> None:
    disk = [sys.executable, "-m", "serving.faults.small_disk", str(tmp_path), "2"]
    done = subprocess.run(
        [*disk, sys.executable, "-c", "import sys; print(1)"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "1\n"
    if "no small file system" in done.stderr:
        return  # the system allows none: the test of a limit on files stands for it
    done = subprocess.run(
        [*disk, sys.executable, "-c", FILLING, str(tmp_path)],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "True ENOSPC\n"
    assert list(tmp_path.iterdir()) == []


WRITING = """
import os, sys, time
while True:
    with open("data", "ab", buffering=0) as file:
        try:
            file.write(b"x" * 10)
        except OSError as error:
            print(error.errno, flush=True)
            sys.exit(3)
    time.sleep(0.01)
"""


async def test_limit_on_files_holds_for_the_next_start_too(tmp_path: Path) -> None:
    part = Kept("writer", [*TETHER, sys.executable, "-c", WRITING], clean_environment(), tmp_path)
    data = tmp_path / "data"

    async def until(check: Callable[[], bool]) -> None:
        await asyncio.to_thread(eventually, check, "it did not happen", 20)

    async with asyncio.TaskGroup() as group, part.running(group):
        await until(lambda: data.exists() and data.stat().st_size > 50)
        part.limit_files(data.stat().st_size)
        await until(lambda: len(part.own_ends) >= 2)
        assert set(part.own_ends) == {3}
        full = data.stat().st_size
        part.limit_files(resource.RLIM_INFINITY)
        await until(lambda: data.stat().st_size > full + 50)
    assert set(part.log.read_text().split()) == {str(errno.EFBIG)}


async def test_struck_process_stays_away_and_comes_back(tmp_path: Path) -> None:
    naming = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    part = Kept("sleeper", [*TETHER, sys.executable, "-c", naming], clean_environment(), tmp_path)

    def started() -> list[str]:
        return part.log.read_text().split() if part.log.exists() else []

    async with asyncio.TaskGroup() as group, part.running(group):
        await asyncio.to_thread(eventually, lambda: len(started()) == 1, "no start", 20)
        striking = asyncio.create_task(part.strike(signal.SIGKILL, away_s=1.0))
        await asyncio.sleep(0.8)
        assert len(started()) == 1
        await striking
        await asyncio.to_thread(eventually, lambda: len(started()) == 2, "no second start", 20)
        assert part.own_ends == []
    last = int(started()[-1])
    assert not psutil.pid_exists(last)
