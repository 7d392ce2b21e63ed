import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from barometer.errors import DataError
from barometer.events import new_event
from barometer.posts import Post
from barometer.text import fingerprint
from ingestion import replay
from ingestion.cleaning import clean
from ingestion.replay import ReplaySource, bundled_recording, load_recording


def write(path: Path, lines: list[dict]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def line(number: int, second: int, event: str = "City Vote", **more: object) -> dict:
    return {
        "id": str(number),
        "created_at": f"2015-02-16T10:00:{second:02d}Z",
        "text": f"post {number}",
        "event": event,
        **more,
    }


async def play(source: ReplaySource, title: str) -> list[tuple[datetime, Post]]:
    event = new_event(title)
    return [(datetime.now(UTC), post) async for post in source.read(event, {})]


def test_past_comes_at_once_and_the_future_in_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line(1, 0), line(2, 30, reason="late"), line(3, 59), line(4, 10, event="Other")]
    recording = load_recording(write(tmp_path / "r.jsonl", lines))
    monkeypatch.setattr(replay, "HISTORY_S", 1.0)
    source = ReplaySource(recording, timedelta(seconds=1), passes=1)
    begun = datetime.now(UTC)
    seen = asyncio.run(play(source, "City Vote"))
    assert [post.text for _, post in seen] == ["post 1", "post 2", "post 3"] * 3
    for at, post in seen:
        expected = max(post.created_at, begun)
        assert 0 <= (at - expected).total_seconds() < 0.8
    assert seen[0][1].created_at < begun < seen[-1][1].created_at
    passes = [post.created_at for _, post in seen]
    assert (passes[3] - passes[0]).total_seconds() == pytest.approx(1.0)
    assert len({post.id for _, post in seen}) == 9
    assert len({post.showing for _, post in seen}) == 3
    assert seen[1][1].metadata["reason"] == "late"


def test_replay_that_is_started_again_repeats_its_ids_at_their_moments(tmp_path: Path) -> None:
    recording = load_recording(write(tmp_path / "r.jsonl", [line(n, n) for n in range(5)]))

    async def some() -> list[Post]:
        source = ReplaySource(recording, timedelta(minutes=10))
        event = new_event("City Vote")
        posts = source.read(event, {})
        return [await anext(posts) for _ in range(20)]

    first, second = asyncio.run(some()), asyncio.run(some())
    assert [(p.id, p.created_at) for p in first] == [(p.id, p.created_at) for p in second]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "holds no posts"),
        ("{not json}\n", "line 1"),
        ('{"id":"1","created_at":"2015-02-16","text":"x","event":"e"}\n', "line 1"),
        ('\n{"id":"1","created_at":"2015-02-16T00:00:00Z","text":"x"}\n', "line 2"),
        ('{"id":"1","created_at":"2015-02-16T00:00:00Z","text":"","event":"e"}\n', "line 1"),
    ],
)
def test_unusable_file_is_named_with_its_line(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=reason):
        load_recording(path)


def test_only_a_line_break_ends_a_line(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(line(1, 0) | {"text": "one\u2028two"}, ensure_ascii=False) + "\n")
    assert [item.text for item in load_recording(path).lines] == ["one\u2028two"]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl"):
        load_recording(tmp_path / "none.jsonl")


def test_bundled_posts_tell_three_events_and_pass_the_door() -> None:
    recording = load_recording(bundled_recording())
    counts = Counter(line.event for line in recording.lines)
    assert len(recording.lines) >= 380
    assert len(counts) == 3
    assert min(counts.values()) >= 100
    assert len({fingerprint(line.text) for line in recording.lines}) == len(recording.lines)
    assert all(a.created_at <= b.created_at for a, b in pairwise(recording.lines))
    for item in recording.lines:
        clean(item.model_dump() | {"event": None})
