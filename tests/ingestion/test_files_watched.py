"""Files that grow, change, are torn or wrong; and readings that stop in the middle."""

import asyncio
import json
import os
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from barometer.back_pressure import Pressure
from barometer.broker import Broker
from barometer.events import Event, track
from barometer.posts import Post
from barometer.source_states import readings
from ingestion.files.files import FilesSource
from ingestion.intake import Intake, Reading
from ingestion.reading import read_source
from ingestion.source import REFUSED, Position, Source
from tests.ingestion.file_reading import EVENT, files_source, read, read_until_fault, texts


def csv_line(text: str) -> str:
    return f'"{text}"\n'


def json_line(text: str) -> str:
    return json.dumps({"text": text}) + "\n"


@pytest.fixture(params=["csv", "jsonl"])
def growing(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Callable[[str], str]]:
    """A file with its header, if it has one, and how one row of it is written."""
    path = tmp_path / f"a.{request.param}"
    path.write_text("text\n" if request.param == "csv" else "")
    return path, csv_line if request.param == "csv" else json_line


def append(path: Path, content: str) -> None:
    with path.open("a") as file:
        file.write(content)


async def test_appended_rows_are_read_and_only_they(
    growing: tuple[Path, Callable[[str], str]],
) -> None:
    path, line = growing
    source, position = files_source(path.parent), dict[str, Any]()
    for number in range(4):
        append(path, line(f"vote {number}") + line("else"))
        position = json.loads(json.dumps(position))  # it is stored so
        assert texts(await read(source, position)) == [f"vote {number}"]
        assert texts(await read(source, position)) == []


async def test_a_row_that_is_being_written_waits_for_its_end(
    growing: tuple[Path, Callable[[str], str]],
) -> None:
    path, line = growing
    source, position = files_source(path.parent, settled_s=60), dict[str, Any]()
    whole = line("the vote, at last, is over")
    append(path, line("vote 1") + whole[:12])
    assert texts(await read(source, position)) == ["vote 1"]
    append(path, whole[12:-1])
    assert texts(await read(source, position)) == []
    append(path, "\n")
    assert texts(await read(source, position)) == ["the vote, at last, is over"]
    assert position[REFUSED] == 0


async def test_quoted_field_over_lines_waits_for_its_quote(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text\n"the vote\nis\n')
    source, position = files_source(tmp_path, settled_s=60), dict[str, Any]()
    assert texts(await read(source, position)) == []
    append(path, 'over"\n')
    assert texts(await read(source, position)) == ["the vote\nis\nover"]
    assert position[REFUSED] == 0


async def test_last_row_without_an_end_is_read_once_nobody_writes_to_it(
    growing: tuple[Path, Callable[[str], str]],
) -> None:
    path, line = growing
    source, position = files_source(path.parent), dict[str, Any]()
    append(path, line("vote 1") + line("vote 2")[:-1])
    assert texts(await read(source, position)) == ["vote 1", "vote 2"]
    assert texts(await read(source, position)) == []
    append(path, "\n" + line("vote 3"))
    assert texts(await read(source, position)) == ["vote 3"]


async def test_row_that_went_on_after_all_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\n1,the vote\n2,the vote w")
    source, position = files_source(tmp_path), dict[str, Any]()
    assert texts(await read(source, position)) == ["the vote", "the vote w"]
    append(path, "ent well\n3,vote\n")
    assert texts(await read(source, position)) == ["the vote went well", "vote"]
    assert position[REFUSED] == 0


@pytest.mark.parametrize("how", ["renamed", "rewritten", "edited"])
async def test_replaced_file_is_read_anew(
    growing: tuple[Path, Callable[[str], str]], how: str
) -> None:
    path, line = growing
    source, position = files_source(path.parent), dict[str, Any]()
    header = path.read_text()
    append(path, line("vote A"))
    old = await read(source, position)
    new = (
        header
        + line("vote B" if how == "edited" else "vote A")
        + (line("vote C") if how == "renamed" else "")
    )
    if how == "renamed":
        other = path.with_suffix(".new")
        other.write_text(new)
        other.replace(path)
    elif how == "rewritten":
        new = header + line("vote D, a longer one") + line("vote A")
        path.write_text(new)
    else:
        path.write_text(new)
        os.utime(path, (1, 1))
    expected = {"renamed": ["vote A", "vote C"], "edited": ["vote B"],
                "rewritten": ["vote D, a longer one", "vote A"]}  # fmt: skip
    again = await read(source, position)
    assert texts(again) == expected[how]
    assert {p.id for p in again if p.text == "vote A"} <= {old[0].id}


async def test_file_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nvote\n")
    position: dict[str, Any] = {}
    await read(files_source(tmp_path), position)
    (tmp_path / "a.csv").unlink()
    await read(files_source(tmp_path), position)
    assert position["files"] == {}


async def test_malformed_rows_are_counted_named_and_passed_over(tmp_path: Path) -> None:
    (tmp_path / "vote").mkdir()
    (tmp_path / "vote" / "a.csv").write_text(
        'text,created_at\ngood,\n"torn" quote,\nonly one\n\na,b,c\nbad time,soon\n,\n'
        f'{"x" * 1_000_001},\ngood too,\n"never closed,\nlast,\n'
    )
    (tmp_path / "vote" / "b.jsonl").write_text(
        '{"text": "good"}\n{"text": \n[1]\n7\n{"text": 5}\n{"body": "x"}\n{"text": "good too"}\n'
    )
    source, position = files_source(tmp_path), dict[str, Any]()
    with capture_logs() as told:
        found = await read(source, position)
    assert texts(found) == ["good", "good too", "last", "good", "good too"]
    lines = {line["file"]: line for line in told if line["event"] == "rows passed over"}
    assert lines["vote/a.csv"]["rows"] == 7
    assert [text.split(":")[0] for text in lines["vote/a.csv"]["first"]] == list("34678")
    assert lines["vote/a.csv"]["first"][0] == "3: its quotes do not match"
    assert lines["vote/a.csv"]["first"][2] == "6: has 3 columns, the header 2"
    assert lines["vote/a.csv"]["first"][3].startswith("7: created_at: is no time")
    assert [text.split(":")[0] for text in lines["vote/b.jsonl"]["first"]] == list("23456")
    assert position[REFUSED] == 12
    assert await read(source, position) == []
    assert position[REFUSED] == 12


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"review\nthe vote\n", "no column 'text': .*BAROMETER_FILES_COLUMNS"),
        ("a.jsonl", b'{"review": "vote"}\n', "no column 'text': .*BAROMETER_FILES_COLUMNS"),
        ("a.csv", "text\nthe vote für uns\n".encode("latin-1"), "line 2 is not UTF-8: save"),
        ("a.csv", "text\nthe vote\n".encode("utf-16"), "line 1 is not UTF-8"),
        ("a.jsonl", b'{"text": "\xff"}\n', "line 1 is not UTF-8"),
        ("a.csv", b'text"\nthe vote\n', "line 1 cannot be read as the names of columns"),
        ("a.csv", b"x" * 1_100_000 + b"\n", "line 1 is too long"),
        ("a.parquet", b"PAR1 and no more", "is no whole Parquet file"),
    ],
)
async def test_file_that_cannot_be_read_is_named_and_holds_no_other_up(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "b.csv").write_text("text\nthe vote\n")
    source, position = files_source(tmp_path), dict[str, Any]()
    posts, message = await read_until_fault(source, position)
    assert texts(posts) == ["the vote"]
    assert message.startswith(f"files: not all of the folder could be read ({name}: ")
    assert re.search(told, message)
    assert await read_until_fault(source, position) == ([], message)  # until it is corrected
    (tmp_path / name).unlink()
    (tmp_path / "a.csv").write_text("text\nvote corrected\n")
    assert texts(await read(source, position)) == ["vote corrected"]


async def test_parquet_that_is_being_written_waits(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["vote"]}), tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    path.write_bytes(content[:-20])
    source, position = files_source(tmp_path, settled_s=60), dict[str, Any]()
    assert await read(source, position) == []
    path.write_bytes(content)
    assert texts(await read(source, position)) == ["vote"]
    assert await read(source, position) == []
    pq.write_table(pa.table({"text": ["vote", "vote!"]}), path)
    assert texts(await read(source, position)) == ["vote", "vote!"]


async def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out"
    for made in (folder, outside):
        made.mkdir()
    (outside / "a.csv").write_text("text\nvote secret\n")
    (folder / "b.csv").write_text("text\nvote\n")
    (folder / "a.csv").symlink_to(outside / "a.csv")
    (folder / "vote").symlink_to(outside)
    (folder / "twice.csv").symlink_to(folder / "b.csv")
    os.mkfifo(folder / "c.csv")
    posts, message = await read_until_fault(files_source(folder))
    assert texts(posts) == ["vote"]
    assert "a.csv: is a link out of the folder" in message
    assert "vote: is a link out of the folder" in message
    assert "secret" not in message


async def test_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    posts, message = await read_until_fault(files_source(tmp_path / "none"))
    assert posts == []
    assert "BAROMETER_FILES_DIR" in message


class KilledError(Exception):
    """The process ends here."""


class Mortal:
    """A files source whose process ends when so many of its posts are counted as taken."""

    name = "files"

    def __init__(self, source: FilesSource, engine: Engine, after: int) -> None:
        self.source, self.engine, self.after = source, engine, after

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        async with aclosing(self.source.read(event, position)) as posts:
            for _ in range(self.after):
                yield await anext(posts)
            async with asyncio.timeout(10):
                while sum(row.posts for row in readings(self.engine)) < self.after:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            raise KilledError


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_restart_in_the_middle_leaves_no_gap_and_doubles_nothing(
    broker: Broker, engine: Engine, tmp_path: Path, suffix: str
) -> None:
    track(engine, EVENT)
    said = [f"vote {number}" if number % 3 else "else" for number in range(600)]
    if suffix == "parquet":
        pq.write_table(pa.table({"text": said}), tmp_path / "a.parquet", row_group_size=100)
    else:
        (tmp_path / "a.csv").write_text("text\n" + "".join(map(csv_line, said)))

    def once(source: Source) -> Reading:
        intake = Intake(broker, Pressure(broker, 10_000), engine, look_every_s=0.01)
        return asyncio.run(read_source(source, EVENT, intake))

    source = files_source(tmp_path)
    with pytest.raises(KilledError):
        once(Mortal(source, engine, after=130))
    taken = readings(engine)[0].posts
    assert taken == 130
    second = once(source)
    # A position does not lie beyond a post before the next one was asked for.
    assert (second.accepted, second.duplicates) in {(400 - taken, 0), (400 - taken, 1)}
    assert once(source).accepted == 0
    stream = [e.post.text for e in broker.receive("t", 1_000, block_ms=10) if e.post is not None]
    assert stream == [text for text in said if text != "else"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_rows_that_are_passed_over_count_as_rejected(
    broker: Broker, engine: Engine, tmp_path: Path
) -> None:
    track(engine, EVENT)
    (tmp_path / "a.jsonl").write_text('{"text": "vote"}\n{"text": \n')
    intake = Intake(broker, Pressure(broker, 10), engine)
    reading = asyncio.run(read_source(files_source(tmp_path), EVENT, intake))
    assert (reading.accepted, reading.rejected, reading.error) == (1, 1, None)
