"""The offline pipeline: sources into Parquet files, each post and each text once, whatever dies."""

import asyncio
import json
import multiprocessing
import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

from barometer import collection
from barometer.authors import Authors
from barometer.collection import SCHEMA, locked, parts
from barometer.database import engine_for, migrate
from barometer.erasure import keep_away
from barometer.errors import SourceError, StorageError
from barometer.events import Event, track
from barometer.languages import Languages, languages_asked
from barometer.parquet import SCHEMA as EXPORTED
from barometer.person import Person
from barometer.posts import Post
from barometer.settings import Settings
from barometer.source_states import Taken, position_of, readings, save_reading
from ingestion.intake import Reading
from ingestion.offline.intake import Collecting
from ingestion.reading import read_source
from ingestion.source import Position
from tests.conftest import post
from training.collected_rows import collected_rows, write_sample

VOTE = Event(slug="vote", title="Vote", keywords=("vote",), sources=("files", "list"))
DAY = datetime(2026, 3, 14, 23, 30, tzinfo=UTC)


class ListSource:
    """Posts from a list, and perhaps a fault at its end."""

    name = "list"

    def __init__(self, *posts: Post, fault: SourceError | None = None) -> None:
        self.posts, self.fault = posts, fault

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        for index in range(position.get("next", 0), len(self.posts)):
            yield self.posts[index]
            position["next"] = index + 1
        if self.fault:
            raise self.fault


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    migrate(url)
    return engine_for(url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "collected"


async def read(folder: Path, engine: Engine, source: ListSource, event: Event = VOTE) -> Reading:
    authors = Authors(Settings(state_dir=folder.parent))
    with Collecting(folder, engine, authors) as collecting:
        return await read_source(source, event, collecting)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for path in parts(folder) for row in pq.read_table(path).to_pylist()]


def texts(folder: Path) -> list[str]:
    return sorted(row["text"] for row in rows(folder))


async def test_files_hold_every_column_by_source_and_day(folder: Path, engine: Engine) -> None:
    track(engine, VOTE)
    track(engine, Event(slug="city", title="City", keywords=("city",)))
    found = [
        post(1, "the city 🎉", created_at=DAY, location="Ulm", author="Ann", language="en",
             url="https://example.org/1", metadata={"likes": 3}),
        post(2, "so happy", created_at=DAY.replace(day=15)),
        post(3, "elsewhere", created_at=DAY, source="a/b c"),
    ]  # fmt: skip
    reading = await read(folder, engine, ListSource(*found))
    assert (reading.accepted, reading.duplicates, reading.error) == (3, 0, None)
    names = [path.relative_to(folder).as_posix() for path in parts(folder)]
    assert names == [
        "source=a%2Fb%20c/date=2026-03-14/part-00000.parquet",
        "source=test/date=2026-03-14/part-00000.parquet",
        "source=test/date=2026-03-15/part-00000.parquet",
    ]
    _, first, _ = (pq.read_table(path, partitioning=None) for path in parts(folder))
    assert first.schema.equals(SCHEMA)
    [row] = first.to_pylist()
    mark = Authors(Settings(state_dir=folder.parent)).mark("test", "ann")
    assert row == {
        "id": "1", "text": "the city 🎉", "author": mark, "location": "Ulm",
        "url": "https://example.org/1", "metadata": '{"likes":3}', "created_at": DAY,
        "language": "en", "may_train": True, "events": ["vote", "city"],
    }  # fmt: skip
    assert all(EXPORTED.field(name).type == SCHEMA.field(name).type
               for name in SCHEMA.names if name in EXPORTED.names)  # fmt: skip
    whole = ds.dataset(folder, partitioning="hive", format="parquet").to_table().to_pylist()
    assert {(row["source"], str(row["date"])[:10], row["id"]) for row in whole} == {
        ("a/b c", "2026-03-14", "3"), ("test", "2026-03-14", "1"), ("test", "2026-03-15", "2"),
    }  # fmt: skip


async def test_who_asked_to_be_forgotten_is_not_collected(folder: Path, engine: Engine) -> None:
    authors = Authors(Settings(state_dir=folder.parent))
    keep_away(engine, Person(authors, "@Ann"), ["test"])
    found = [post(1, "mine", author="ann"), authors.hidden(post(2, "and mine", author="Ann")),
             post(3, "his", author="ben")]  # fmt: skip
    reading = await read(folder, engine, ListSource(*found))
    assert (reading.accepted, reading.rejected) == (1, 2)
    assert texts(folder) == ["his"]


async def test_who_asks_while_a_writer_waits_for_its_turn_is_not_collected(
    folder: Path, engine: Engine
) -> None:
    anna = Person(Authors(Settings(state_dir=folder.parent)), "ann", "test")

    def forget(held: ExitStack) -> None:
        keep_away(engine, anna, ())
        held.close()  # her rows are removed: it is the writer's turn

    class Waited(ListSource):
        async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
            yield post(1, "the vote is mine", author="ann")
            held = ExitStack()
            held.enter_context(locked(folder))
            Timer(0.3, forget, [held]).start()

    reading = await read(folder, engine, Waited())
    assert (reading.accepted, reading.rejected, texts(folder)) == (0, 1, [])


async def test_each_post_and_each_text_is_taken_once_across_readings(
    folder: Path, engine: Engine
) -> None:
    track(engine, VOTE)
    first = await read(folder, engine, ListSource(
        post(1, "The vote!"), post(1, "another text"), post(2, "the VOTE https://x.org @ann"),
        post(3, "😀"), post(4, "😡"),
    ))  # fmt: skip
    assert (first.accepted, first.duplicates) == (3, 2)
    other = Event(slug="other", title="Other", keywords=("other",))
    again = ListSource(post(9, "the vote", source="rss"), post(4, "new"), post(5, "other vote"))
    second = await read(folder, engine, again, other)
    assert (second.accepted, second.duplicates) == (1, 2)
    assert texts(folder) == ["The vote!", "other vote", "😀", "😡"]


async def test_readings_at_the_same_time_take_a_post_once(folder: Path, engine: Engine) -> None:
    track(engine, VOTE)
    others = (VOTE.model_copy(update={"slug": f"vote-{n}"}) for n in range(3))
    found = await asyncio.gather(*(read(folder, engine, _three_days(), e) for e in others))
    assert (sum(r.accepted for r in found), sum(r.duplicates for r in found)) == (12, 24)
    assert len(rows(folder)) == 12


async def test_small_parts_grow_and_full_ones_stay(
    folder: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "PART_ROWS", 4)
    track(engine, VOTE)
    said = [post(n, f"vote {n}") for n in range(11)]
    sizes = []
    for until in (1, 3, 9, 11):
        await read(folder, engine, ListSource(*said[:until]))
        sizes.append([pq.read_metadata(path).num_rows for path in parts(folder)])
    assert sizes == [[1], [3], [4, 4, 1], [4, 4, 3]]
    assert texts(folder) == sorted(p.text for p in said)


async def test_positions_are_its_own_and_the_streams_are_untouched(
    folder: Path, engine: Engine
) -> None:
    track(engine, VOTE)
    save_reading(engine, "list", "vote", {"next": 2}, taken=Taken(2))
    source = ListSource(post(1, "vote 1"), post(2, "vote 2"), post(3, "vote 3"))
    assert (await read(folder, engine, source)).accepted == 3
    assert (await read(folder, engine, source)).accepted == 0
    assert position_of(engine, "list", "vote") == {"next": 2}
    assert [row.posts for row in readings(engine)] == [2]


@pytest.mark.parametrize("told_to", ["stream", "collection"])
async def test_source_that_asked_to_be_left_alone_is_left_alone(
    folder: Path, engine: Engine, told_to: str
) -> None:
    track(engine, VOTE)
    until = datetime(2126, 1, 1, tzinfo=UTC)
    if told_to == "stream":
        save_reading(engine, "list", "vote", {}, taken=Taken(), error="later", until=until)
    else:
        fault = SourceError("list: later", until=until)
        first = await read(folder, engine, ListSource(post(1, "vote 1"), fault=fault))
        assert (first.accepted, first.error, first.until) == (1, "list: later", until)
    reading = await read(folder, engine, ListSource(post(1, "vote 1"), post(2, "vote 2")))
    assert (reading.accepted, reading.until) == (0, until)


def _die(folder: Path, url: str, place: str, after: int) -> None:
    """Read and end like a killed process, in the middle of what `place` names."""
    calls = 0

    def dying(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            os._exit(9)
        return alive(*args, **kwargs)

    owner: Any = {"write_table": collection.pq, "replace": Path}.get(place, collection)
    alive = getattr(owner, place)
    setattr(owner, place, dying)
    asyncio.run(read(folder, engine_for(url), _three_days()))


def _three_days() -> ListSource:
    return ListSource(*(post(n, f"vote {n}", created_at=DAY.replace(day=1 + n % 3))
                        for n in range(12)))  # fmt: skip


@pytest.mark.parametrize(
    ("place", "after"), [("write_table", 0), ("write_table", 1), ("replace", 0), ("replace", 2)]
)
def test_killed_in_the_middle_nothing_is_torn_doubled_or_lost(
    folder: Path, engine: Engine, tmp_path: Path, place: str, after: int
) -> None:
    track(engine, VOTE)
    engine.dispose()
    url = f"sqlite:///{tmp_path / 'test.db'}"
    victim = multiprocessing.get_context("forkserver").Process(
        target=_die, args=(folder, url, place, after)
    )
    victim.start()
    victim.join(120)
    assert victim.exitcode == 9
    assert len(rows(folder)) == 4 * after  # whole files of whole days, or nothing
    assert asyncio.run(read(folder, engine, _three_days())).error is None
    assert texts(folder) == sorted(f"vote {n}" for n in range(12))
    assert not list(folder.rglob(".part-*"))
    assert asyncio.run(read(folder, engine, _three_days())).accepted == 0


def test_lost_index_is_made_anew_from_the_files(folder: Path, engine: Engine) -> None:
    track(engine, VOTE)
    asyncio.run(read(folder, engine, _three_days()))
    for path in folder.glob(".index.db*"):
        path.unlink()
    assert asyncio.run(read(folder, engine, _three_days())).duplicates == 12
    shutil.rmtree(folder / "source=test" / "date=2026-03-01")  # no longer wanted
    again = ListSource(*(p.model_copy(update={"metadata": {}}) for p in _three_days().posts),
                       post(99, "a vote"))  # fmt: skip
    assert asyncio.run(read(folder, engine, again)).accepted == 1
    assert len(rows(folder)) == 9


async def test_folder_that_cannot_be_used_is_named(folder: Path, engine: Engine) -> None:
    track(engine, VOTE)
    torn = folder / "source=x" / "date=2026-01-01"
    torn.mkdir(parents=True)
    (torn / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(StorageError, match="collected"):
        await read(folder, engine, ListSource())
    with locked(folder):
        pass


async def test_training_reads_it_back_as_rows_to_label(
    folder: Path, engine: Engine, tmp_path: Path
) -> None:
    track(engine, VOTE)
    await read(folder, engine, ListSource(
        *(post(n, f"vote {n}", language="de" if n % 4 == 0 else "en") for n in range(40)),
        post(40, "vote"),  # too short to tell its language
    ))  # fmt: skip
    counts = {"all": 41, "de": 10, "de,en": 41, None: 31}
    for asked, count in counts.items():
        assert len(list(collected_rows(folder, languages_asked(asked, ["en"])))) == count
    files, read_ones = (
        [tmp_path / "few.jsonl", tmp_path / "more.jsonl"],
        Languages(frozenset({"en"})),
    )
    written = [write_sample(folder, *each, read_ones) for each in zip(files, (5, 99), strict=True)]
    assert written == [5, 31]
    few, more = ([json.loads(line) for line in file.read_text().splitlines()] for file in files)
    assert few == more[:5]
    assert set(few[0]) == {"source", "id", "text", "created_at", "language", "may_train"}
    assert few[0]["source"] == "test"
    with pytest.raises(StorageError, match="nowhere"):
        write_sample(folder, tmp_path / "nowhere" / "a.jsonl", 5, read_ones)
