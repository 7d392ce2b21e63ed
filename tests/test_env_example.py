"""`.env.example` is complete and truthful: every setting with its default, and it starts."""

import os
import re
from pathlib import Path

import pytest

from barometer.settings import PREFIX, REPOSITORY, Settings, read_settings

EXAMPLE = (REPOSITORY / ".env.example").read_text()
SETTING = re.compile(rf"^#({PREFIX}\w+)=(.*)$", re.MULTILINE)


def test_every_setting_is_in_it_once_behind_a_sentence() -> None:
    names = [name for name, _ in SETTING.findall(EXAMPLE)]
    assert sorted(names) == sorted(f"{PREFIX}{name.upper()}" for name in Settings.model_fields)
    lines = EXAMPLE.splitlines()
    for number, line in enumerate(lines):
        if SETTING.match(line):
            assert lines[number - 1].startswith("# "), f"nothing is said of {line}"


@pytest.mark.parametrize("commented", [True, False])
def test_copy_of_it_starts_with_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, commented: bool
) -> None:
    copy = EXAMPLE if commented else SETTING.sub(r"\1=\2", EXAMPLE)
    (tmp_path / ".env").write_text(copy)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    started = read_settings().model_dump()
    assert started == {name: field.default for name, field in Settings.model_fields.items()}


@pytest.mark.parametrize(
    "address", ["reddit.com/prefs/apps", "newsapi.org/register", "developer.x.com"]
)
def test_it_says_where_credentials_come_from(address: str) -> None:
    assert address in EXAMPLE
