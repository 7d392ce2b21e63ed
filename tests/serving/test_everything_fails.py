"""The demonstration as a person runs it: Redis and the model fail under load, nobody notices."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from barometer.settings import REPOSITORY
from tests.serving import chat_server as server

CALLERS = 4
MORE_MB = 160
"""A model that is exchanged takes up to 80 beside the other, the LLM's client 40; no third fits."""


@pytest.fixture(scope="module")
def seen() -> dict[str, dict[str, Any]]:
    """The figures of each phase; an LLM answers three times, then its provider fails, too."""
    with server.chat_server() as chat:
        chat.answers = [*[server.labels] * 3, server.status(500)]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.outage", "--json", "--seconds", "1.5",
             "--callers", str(CALLERS), "--rate", "40"],
            cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=True,
            env={**os.environ, "BAROMETER_LLM_URL": chat.url, "BAROMETER_LLM_MODEL": "small-1"},
        )  # fmt: skip
    return {figures["phase"]: figures for figures in json.loads(done.stdout)}


def test_every_request_is_answered_and_says_by_what(seen: dict[str, dict[str, Any]]) -> None:
    assert list(seen) == [
        "calm", "Redis is killed", "and the model fails", "both come back", "a new champion",
        "it is rolled back",
    ]  # fmt: skip
    for figures in seen.values():
        assert figures["asked"] > 20
        assert (figures["answered"], figures["failed"]) == (figures["asked"], {})
        assert figures["unflagged"] == 0
        assert 0 < figures["p50_ms"] <= figures["p99_ms"]


def test_who_answers_changes_with_what_is_there(seen: dict[str, dict[str, Any]]) -> None:
    calm, alone, failing, back, new, old = seen.values()
    for whole in (calm, new, old):
        assert whole["flagged"] == 0
        assert whole["texts_from"]["llm"] == whole["texts_from"]["vader"] == 0
    assert set(calm["answers_by"]) == {"barometer:1"}
    assert calm["texts_from"]["redis"] > 0
    assert calm["texts_from"]["model"] > 0
    for lonely in (alone, failing):  # what was under way when it was killed may have been read
        assert lonely["texts_from"]["redis"] <= CALLERS
        assert lonely["flagged"] > 0
    assert set(alone["answers_by"]) == {"barometer:1"}
    assert failing["texts_from"]["llm"] > 0
    assert failing["texts_from"]["vader"] > 0
    assert {"barometer:3", "llm:small-1", "vader"} <= set(failing["answers_by"])
    assert back["answers_by"]["barometer:1"] > 0
    assert back["texts_from"]["redis"] > 0
    assert new["answers_by"]["barometer:2"] > 0
    assert old["answers_by"]["barometer:1"] > 0
    assert set(old["answers_by"]) == {"barometer:1", "barometer:2"}


def test_three_exchanges_leave_no_model_behind(seen: dict[str, dict[str, Any]]) -> None:
    first, *_, last = seen.values()
    assert last["resident_mb"] < first["resident_mb"] + MORE_MB
    if last["peak_mb"] is None:
        pytest.skip("this system does not tell a process's peak")
    assert first["peak_mb"] <= last["peak_mb"] < first["resident_mb"] + MORE_MB
