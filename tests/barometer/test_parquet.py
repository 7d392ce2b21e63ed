"""The export: every post with typed columns, in bounded memory, and never half a file."""

import tracemalloc
from contextlib import chdir
from datetime import UTC, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

from barometer import parquet
from barometer.errors import StorageError
from barometer.events import Event, event_row, track
from barometer.parquet import SCHEMA, Chosen, count_chosen, export_posts
from barometer.settings import REPOSITORY
from barometer.store import store
from tests.conftest import judgement, post

HOUR = timedelta(hours=1)
NOON = post().created_at.replace(second=0)


@pytest.fixture
def vote(engine: Engine) -> int:
    for slug in ("vote", "city"):
        track(engine, Event(slug=slug, title=slug, keywords=(slug,)))
    unfelt = judgement().model_copy(update={"emotion": None, "confidence": None, "emotions": None})
    store(engine, [
        (post(0, "the vote 🎉", events=("vote", "city"), metadata={"likes": 10**30, "ü": [None]},
              location="Ulm", created_at=NOON), judgement("joy")),
        (post(1, "THE vote 🎉", events=("vote",), created_at=NOON + HOUR), judgement("joy")),
        (post(2, "no event", created_at=NOON + 2 * HOUR), unfelt),
    ])  # fmt: skip
    return event_row(engine, "vote").id


def export(engine: Engine, path: Path, chosen: Chosen = Chosen()) -> list[dict]:  # noqa: B008
    steps: list[int] = []
    written = export_posts(engine, path, chosen, steps.append)
    table = pq.read_table(path)
    assert table.schema.equals(SCHEMA)
    assert written == sum(steps) == table.num_rows == count_chosen(engine, chosen)
    return table.to_pylist()


def test_file_holds_every_column_as_it_was_stored(
    engine: Engine, vote: int, tmp_path: Path
) -> None:
    first, again, unfelt = export(engine, tmp_path / "posts.parquet")
    assert (first["source"], first["id"], first["text"]) == ("test", "0", "the vote 🎉")
    assert first["created_at"] == NOON.astimezone(UTC)
    assert (first["location"], first["author"]) == ("Ulm", None)
    assert '"likes":1000000000000000000000000000000' in first["metadata"].replace(" ", "")
    assert first["emotions"]["joy"] == first["confidence"] == 0.9
    assert first["sentiment_score"] == pytest.approx(0.6)
    assert sorted(first["events"]) == ["city", "vote"]
    assert (again["repost_of"], again["events"]) == (first["post_id"], ["vote"])
    assert (unfelt["emotion"], unfelt["emotions"], unfelt["events"]) == (None, None, [])
    assert unfelt["sentiment"] == "positive"


def test_event_and_times_bound_what_is_written(engine: Engine, vote: int, tmp_path: Path) -> None:
    def ids(chosen: Chosen) -> list[str]:
        return [row["id"] for row in export(engine, tmp_path / "some.parquet", chosen)]

    assert ids(Chosen(event_id=vote)) == ["0", "1"]
    assert ids(Chosen(since=NOON + HOUR)) == ["1", "2"]
    assert ids(Chosen(until=NOON + HOUR)) == ["0"]
    assert ids(Chosen(vote, NOON + HOUR, NOON + 2 * HOUR)) == ["1"]
    assert ids(Chosen(since=NOON + 9 * HOUR)) == []


def test_more_posts_take_no_more_memory(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "CHUNK", 100)
    store(engine, [
        (post(n, f"{n} " + "long " * 200, created_at=NOON + timedelta(seconds=n)), judgement())
        for n in range(1_500)
    ])  # fmt: skip
    export_posts(engine, tmp_path / "warm.parquet", Chosen(), lambda _: None)
    peaks = []
    for posts in (300, 1_500):
        tracemalloc.start()
        chosen = Chosen(until=NOON + timedelta(seconds=posts))
        assert export_posts(engine, tmp_path / "p.parquet", chosen, lambda _: None) == posts
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_fault_leaves_the_older_file_and_no_other(
    engine: Engine, vote: int, tmp_path: Path
) -> None:
    path = tmp_path / "posts.parquet"
    path.write_text("older")

    def stop(_posts: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_posts(engine, path, Chosen(), stop)
    assert [file.name for file in tmp_path.iterdir() if "parquet" in file.name] == [path.name]
    assert path.read_text() == "older"
    with pytest.raises(StorageError, match="nowhere"):
        export_posts(engine, tmp_path / "nowhere" / "p.parquet", Chosen(), lambda _: None)
    with chdir(tmp_path), pytest.raises(StorageError, match="cannot be written"):
        export_posts(engine, Path(), Chosen(), lambda _: None)
    assert [file.name for file in tmp_path.iterdir() if ".part" in file.name] == []


def test_guide_names_each_column() -> None:
    guide = (REPOSITORY / "docs" / "bi.md").read_text().split("## Posts as Parquet")[1]
    for name in SCHEMA.names:
        assert f"`{name}`" in guide
