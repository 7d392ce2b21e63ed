"""`barometer up`: what dies comes back, Ctrl-C leaves nothing, a second one is refused."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from barometer.database import engine_for
from barometer.events import tracked
from barometer.settings import REPOSITORY, read_settings
from flows.machine import environment
from ingestion.catalog import kind_of
from tests.machine import Machine, eventually, running_machine


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "r.jsonl"
    lines = [
        {
            "id": str(number),
            "created_at": f"2015-02-16T10:{number:02d}:00Z",
            "text": f"flight {number} is late and i am so angry",
            "event": "US Flights",
        }
        for number in range(60)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def accepted_and_stored(machine: Machine, mark: str) -> bool:
    now = datetime.now(UTC).isoformat()
    posts = [{"id": mark, "text": f"so glad about {mark}", "created_at": now}]
    answer = machine.http.post("/ingest", json={"source": "form", "posts": posts})
    feed = machine.get("/events/all/posts?limit=100")["posts"]
    return answer.status_code == 202 and mark in [post["id"] for post in feed]


def test_what_dies_is_restarted_and_ctrl_c_leaves_no_process(
    tmp_path: Path, recording: Path
) -> None:
    with running_machine(tmp_path, BAROMETER_REPLAY=str(recording)) as machine:
        assert [event["slug"] for event in machine.get("/events")["events"]] == ["us-flights"]
        victims = {"scorer": "barometer work", "redis": "redis-server", "web": "serving.start"}
        for mark, words in victims.items():
            victim = machine.child(words)
            victim.send_signal(signal.SIGKILL)
            victim.wait(10)
            eventually(
                lambda words=words, pid=victim.pid: machine.child(words).pid != pid,
                f"{words} was not restarted",
            )
            eventually(
                lambda mark=mark: accepted_and_stored(machine, mark),
                f"no post gets through after {words} was killed", 90,
            )  # fmt: skip
        second = subprocess.run(
            [sys.executable, "-m", "barometer", "up"], check=False, capture_output=True, text=True,
            cwd=REPOSITORY, env={**os.environ, "BAROMETER_STATE_DIR": str(machine.state)},
        )  # fmt: skip
        assert second.returncode == 73
        assert "runs already" in second.stderr
        assert second.stderr.count("\n") == 1
        family = psutil.Process(machine.process.pid).children(recursive=True)
        machine.process.send_signal(signal.SIGINT)
        assert machine.process.wait(40) == 0
        _, alive = psutil.wait_procs(family, timeout=5)
        assert [process.cmdline() for process in alive] == []
        assert "│" in machine.output()
        assert "Barometer has stopped." in machine.output()
        assert "Traceback" not in machine.output()
        assert f"Barometer is ready: open {machine.url.rstrip('/')}" in machine.output()


def test_killed_supervisor_takes_everything_along(tmp_path: Path, recording: Path) -> None:
    with running_machine(tmp_path, BAROMETER_REPLAY=str(recording)) as machine:
        family = psutil.Process(machine.process.pid).children(recursive=True)
        assert len(family) >= 8
        machine.process.kill()
        _, alive = psutil.wait_procs(family, timeout=20)
        assert [process.cmdline() for process in alive] == []


def test_topic_that_was_asked_for_is_tracked_without_news(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "barometer", "up", "--track", "night trains", "--no-replay"]
    env = {**os.environ, "BAROMETER_STATE_DIR": str(tmp_path), "BAROMETER_NEWS_SEARCH_URL": "off"}
    process = subprocess.Popen(words, cwd=REPOSITORY, env=env, stdout=subprocess.DEVNULL)
    try:
        engine = engine_for(f"sqlite:///{tmp_path / 'barometer.db'}")
        eventually(lambda: [e.slug for e in tracked(engine)] == ["night-trains"], "not tracked")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(40)


def test_processes_are_told_each_setting_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "STATE_DIR": str(tmp_path), "MASTODON_SERVERS": "off", "BLUESKY_URL": "off",
        "REDDIT_SUBREDDITS": "r/news,city", "LANGUAGES": "en,de", "NEWS_LANGUAGE": "any",
        "FILES_COLUMNS": "text='Review text' id=ticket", "AUTHOR_KEY": "0123456789abcdef",
        "WEBHOOK_SECRETS": "form:0123456789abcdef",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(f"BAROMETER_{name}", value)
    told = read_settings()
    for name, value in environment(told).items():
        monkeypatch.setenv(name, value)
    heard = read_settings()
    for name in given:
        assert getattr(heard, name.lower()) == getattr(told, name.lower())
    assert kind_of("mastodon").missing(heard)


def test_taken_port_is_named(tmp_path: Path, machine: Machine) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "barometer", "up"], check=False, capture_output=True, text=True,
        cwd=REPOSITORY,
        env={
            **os.environ,
            "BAROMETER_STATE_DIR": str(tmp_path),
            "BAROMETER_PORT": machine.url.rstrip("/").rsplit(":", 1)[1],
        },
    )  # fmt: skip
    assert result.returncode == 78
    assert "BAROMETER_PORT" in result.stderr
