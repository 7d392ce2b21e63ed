"""The speed of one scorer beside its classifier's, measured small: every figure is there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from barometer.redis_server import connect
from barometer.settings import REPOSITORY
from serving.faults.servers import postgres_programs
from serving.speed.lane import Lane
from serving.speed.measure import Round, summary
from serving.speed.sampled import part_of
from serving.speed.texts import FreshTexts

pytestmark = pytest.mark.alone


def test_pipeline_tells_speed_latency_and_shares() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "barometer", "bench", "pipeline", "--posts", "64", "--rounds", "1",
         "--arrivals", "50", "--json"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["texts"] == 64
    assert found["bare"]["of_bare"] == 1
    assert set(found["databases"]) == {"SQLite", *(["PostgreSQL"] if postgres_programs() else [])}
    for own in found["databases"].values():
        assert own["per_second"] > 0
        assert own["processor_ms"] > 0
        late = own["half_load"]
        assert 0 < late["p50_ms"] <= late["p95_ms"] <= late["p99_ms"]
        assert late["per_second"] == pytest.approx(own["per_second"] / 2, abs=0.1)
        assert sum(own["shares"].values()) == pytest.approx(1, abs=0.01)
        assert own["shares"]["classify"] > own["shares"]["store"] > 0


def test_lane_takes_the_same_texts_again_and_again(redis_url: str, tmp_path: Path) -> None:
    connect(redis_url).flushall()
    lane = Lane("SQLite", redis_url, f"sqlite:///{tmp_path / 'lane.db'}", ["Ferry"])
    for _ in range(3):
        posts = lane.posts(["the ferry sails", "the ferry sails", "a quiet day"])
        assert [post.events for post in posts] == [("ferry",), ("ferry",), ()]
        lane.publish(posts)  # raises where one is taken for a repeat
    assert lane.last_row() == 0
    assert lane.rows_after(0) == []


def test_no_text_comes_twice() -> None:
    texts = FreshTexts(["the ferry sails", "a quiet day"])
    taken = [text for _ in range(5) for text in texts.take(3)]
    assert taken[:3] == ["the ferry sails 0", "a quiet day 1", "the ferry sails 2"]
    assert len(set(taken)) == 15


def test_summary_compares_each_round_with_the_one_beside_it() -> None:
    bare = [Round(100, 1.0, 1.0), Round(100, 4.0, 1.0), Round(100, 1.0, 1.0)]
    own = [Round(100, 2.0, 1.25), Round(100, 8.0, 1.25), Round(100, 2.0, 1.25)]
    found = summary(own, bare)
    assert found["of_bare"] == 0.5
    assert found["of_bare_processor"] == 0.8
    assert found["per_second"] == 50
    assert found["processor_ms"] == 12.5


def test_stack_belongs_to_its_innermost_known_module() -> None:
    here = sys._getframe()
    assert part_of(None) is None
    assert part_of(here) == "other"
    seen: list[str | None] = []
    loud = {"__name__": "barometer.store", "part_of": part_of, "seen": seen, "sys": sys}
    exec("seen.append(part_of(sys._getframe()))", loud)  # noqa: S102 - a frame of that module
    assert seen == ["store"]
    waiting = dict(loud, __name__="threading")
    exec("seen.append(part_of(sys._getframe()))", waiting)  # noqa: S102
    assert seen == ["store", None]
