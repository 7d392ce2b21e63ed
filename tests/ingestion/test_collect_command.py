"""`ingest --offline`: what it reads, what it leaves out and why, and what it hands out."""

import json
import re
from pathlib import Path

import pytest

from barometer.database import database_url, engine_for, migrate
from barometer.errors import InputError, NotFoundError
from barometer.events import Event, track
from barometer.settings import Settings
from ingestion.offline.collect import collect, plan_collecting
from ingestion.plan import Planned
from tests.command_line import barometer

VOTE = Event(slug="vote", title="Vote", keywords=("vote",), sources=("files", "reddit"))


def test_command_reads_what_is_ready_and_says_what_is_left_out(
    settings: Settings, tmp_path: Path
) -> None:
    given = settings.model_copy(update={"files_dir": str(tmp_path / "in")})
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("text\nthe vote\nelse\nthe city vote\n")
    migrate(database_url(given))
    engine = engine_for(database_url(given))
    asked = ("files", "reddit", "bluesky", "news")
    track(engine, VOTE.model_copy(update={"sources": asked}))
    track(engine, Event(slug="city", title="City", keywords=("city",), sources=("files",)))
    plan = plan_collecting(given)
    assert plan.readings == [Planned("files", "vote"), Planned("files", "city")]
    assert plan.left_out == {
        "reddit": "is left out: its terms allow no model to learn from its posts",
        "bluesky": "is left out: it can only be followed",
        "news": "is left out: set BAROMETER_NEWS_API_KEY",
    }
    found = [collect(given, planned) for planned in plan.readings]
    assert [(r.accepted, r.duplicates) for r in found] == [(2, 0), (0, 1)]
    assert plan_collecting(given, "files", "vote").readings == [Planned("files", "vote")]
    assert "reddit" in plan_collecting(given, "reddit").left_out
    with pytest.raises(NotFoundError, match="'none' is not tracked"):
        plan_collecting(given, slug="none")
    with pytest.raises(InputError, match="terms allow no model"):
        collect(given, Planned("reddit", "vote"))


def test_commands_collect_and_hand_out_a_sample(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text('{"text": "the vote"}\n{"text": \n')
    state, env = tmp_path / "state", {"BAROMETER_FILES_DIR": str(tmp_path / "in")}
    url = database_url(Settings(state_dir=state))
    migrate(url)
    track(engine_for(url), VOTE)
    words = ("ingest", "--offline")
    table = barometer(*words, state=state, **env).stdout
    assert re.search(r"files\s+│ vote\s+│\s+1 │\s+0 │\s+1 │", table)
    assert "reddit is left out: its terms allow no model to learn from its posts" in table
    told = json.loads(barometer(*words, "--source", "files", "--json", state=state, **env).stdout)
    assert [line["accepted"] for line in told["readings"]] == [0]
    sample = barometer("posts", "collected", str(tmp_path / "rows.jsonl"), state=state)
    assert sample.stdout == f"1 collected posts are in {tmp_path / 'rows.jsonl'}\n"
    refused = barometer(*words, "--follow", state=state)
    assert (refused.returncode, "--offline" in refused.stderr) == (64, True)
