"""What the files source makes of csv, jsonl and parquet files."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from barometer.errors import SettingsError
from barometer.file_columns import parse_columns
from barometer.settings import REPOSITORY, Settings, read_settings
from ingestion.catalog import kind_of, may_train
from ingestion.source import REFUSED
from tests.ingestion.file_reading import EVENT, files_source, read, texts

MAPPED = "text=review created_at=date id=ticket author=name"
ROWS: list[dict[str, Any]] = [
    {"ticket": 7, "review": "I love the vote 🎉, truly", "date": "2026-03-01T10:00:00+01:00",
     "name": "Zoë", "stars": 5},
    {"ticket": 8, "review": 'the "vote"\nwent wrong', "date": "2026-03-02 08:30", "name": None,
     "stars": 1},
    {"ticket": 9, "review": "about something else", "date": "2026-03-03", "name": "Ann",
     "stars": 3},
]  # fmt: skip
WROTE = datetime(2026, 4, 5, 6, 7, 8, tzinfo=UTC)


def write_csv(path: Path) -> None:
    path.write_bytes(
        'ticket,review,date,name,stars\r\n7,"I love the vote 🎉, truly",2026-03-01T10:00:00+01:00,'
        'Zoë,5\r\n8,"the ""vote""\nwent wrong",2026-03-02 08:30,,1\r\n'
        "9,about something else,2026-03-03,Ann,3\r\n".encode()
    )


def write_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n\n" for row in ROWS))


def write_parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=2)


WRITERS = {".csv": write_csv, ".jsonl": write_jsonl, ".parquet": write_parquet}


@pytest.mark.parametrize("suffix", WRITERS)
async def test_mapped_columns_become_posts_of_the_mentioned_event(
    tmp_path: Path, suffix: str
) -> None:
    WRITERS[suffix](tmp_path / f"reviews{suffix}")
    first, second = await read(files_source(tmp_path, MAPPED))
    assert (first.source, first.id, first.author) == ("files", "7", "Zoë")
    assert first.text == "I love the vote 🎉, truly"
    assert first.created_at == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert first.metadata == {"file": f"reviews{suffix}"}
    assert (second.text, second.author) == ('the "vote"\nwent wrong', None)
    assert second.created_at == datetime(2026, 3, 2, 8, 30, tzinfo=UTC)  # no zone: UTC
    assert may_train("files")


@pytest.mark.parametrize("suffix", WRITERS)
async def test_row_without_id_and_time_keeps_its_id_and_takes_the_files_time(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"reviews{suffix}"
    WRITERS[suffix](path)
    os.utime(path, (WROTE.timestamp(),) * 2)
    first = await read(files_source(tmp_path, "text=review"))
    again = await read(files_source(tmp_path, "text=review"))
    assert [post.id for post in first] == [post.id for post in again]
    assert len({post.id for post in first}) == 2
    assert {post.created_at for post in first} == {WROTE}


async def test_subfolder_of_an_event_holds_rows_that_need_not_mention_it(tmp_path: Path) -> None:
    for folder in ("vote/2026", "other", ".hidden"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "forms.csv").write_text(f"text\nso happy {folder}\nthe vote\n")
    (tmp_path / "notes.txt").write_text("text\nthe vote\n")
    found = await read(files_source(tmp_path))
    assert texts(found) == ["the vote", "so happy vote/2026", "the vote"]
    assert {post.metadata["file"] for post in found} == {"vote/2026/forms.csv", "other/forms.csv"}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
async def test_separator_is_the_one_that_gives_the_columns(tmp_path: Path, separator: str) -> None:
    lines = [("id", "review", "name"), ("1", '"a vote, a; good\tone"', "Zoë")]
    content = "\n".join(separator.join(fields) for fields in lines) + "\n"
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + content.encode())
    [post] = await read(files_source(tmp_path, "text=review, id=id"))
    assert (post.id, post.text) == ("1", "a vote, a; good\tone")


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("2026-03-02T10:00:00Z", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("2026-03-02", datetime(2026, 3, 2, tzinfo=UTC)),
        ("Mon, 02 Mar 2026 11:00:00 +0100", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("1772445600", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("1772445600000", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("", WROTE),
    ],
)
async def test_times_are_read_as_people_write_them(
    tmp_path: Path, written: str, read_as: datetime
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'text,created_at\nthe vote,"{written}"\n')
    os.utime(path, (WROTE.timestamp(),) * 2)
    [post] = await read(files_source(tmp_path))
    assert post.created_at == read_as


@pytest.mark.parametrize("content", [b"", b"text\n", b"text", b"\n\n", b"\xef\xbb\xbf"])
async def test_empty_files_hold_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content.replace(b"\n\n", b"text\n\n"))
    (tmp_path / "a.jsonl").write_bytes(b"\n" if content else b"")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert await read(files_source(tmp_path)) == []


async def test_parquet_with_typed_times_and_missing_values(tmp_path: Path) -> None:
    table = pa.table({
        "text": ["the vote", None, "vote!"],
        "created_at": pa.array([1772445600123456789, None, None], pa.timestamp("ns")),
        "id": pa.array([1, 2, None], pa.int64()),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    first, last = await read(files_source(tmp_path))
    assert first.created_at == datetime(2026, 3, 2, 10, 0, 0, 123456, tzinfo=UTC)
    assert (first.id, len(last.id)) == ("1", 32)


async def test_memory_is_bounded_whatever_a_file_holds(tmp_path: Path, peak: Any) -> None:
    with (tmp_path / "a.csv").open("w") as file:
        file.write("text\n")
        file.writelines(f"{number} the vote\n" for number in range(6_000))
        file.write('"' + "x" * 20_000_000 + '"\n' + "the vote after it\n")
    source, position, found = files_source(tmp_path), dict[str, Any](), 0
    with peak:
        async for post in source.read(EVENT, position):
            found += 1
            last = post.text
    assert (found, last) == (6_001, "the vote after it")
    assert position[REFUSED] == 1
    assert peak.megabytes < 10


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("review", "not written field=column"),
        ("text=a text=b", "named twice"),
        ("body=a", "is no field of a post"),
        ("text='a", "not closed"),
    ],
)
def test_setting_that_cannot_be_used_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, value: str, told: str
) -> None:
    monkeypatch.setenv("BAROMETER_FILES_COLUMNS", value)
    with pytest.raises(SettingsError, match=f"BAROMETER_FILES_COLUMNS cannot be used: .*{told}"):
        read_settings()


def test_column_names_may_hold_spaces() -> None:
    assert parse_columns("text='Review Text', id=Ticket") == {"text": "Review Text", "id": "Ticket"}


async def test_source_opens_from_the_settings(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("review\nthe vote\n")
    settings = Settings(files_dir=str(tmp_path), files_columns="text=review")
    source = kind_of("files").open_polled(settings)
    assert texts(await read(source)) == ["the vote"]  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="BAROMETER_FILES_DIR"):
        kind_of("files").open_polled(Settings())


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    (tmp_path / "b.csv").write_text("text\nthe vote\n")
    probe = (
        "import asyncio, sys; from pathlib import Path\n"
        "sys.modules['pyarrow'] = None\n"
        "from tests.ingestion.file_reading import files_source, read_until_fault\n"
        "print(asyncio.run(read_until_fault(files_source(Path(sys.argv[1])))))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", probe, str(tmp_path)], cwd=REPOSITORY, check=True,
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "a.parquet: needs pyarrow" in told
    assert "barometer[ops]" in told
    assert "text='the vote'" in told
