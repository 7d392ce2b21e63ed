import json
from pathlib import Path

import pytest

from barometer.api_keys import ApiKey, holder, new_key
from barometer.errors import SettingsError
from barometer.settings import read_settings
from tests.command_line import barometer


def test_key_is_known_by_its_digest_only() -> None:
    keys = [new_key(name, ["read"]) for name in ("a", "b", "c")]
    kept = [ApiKey.parse(entry.entry) for _, entry in keys]
    for secret, entry in keys:
        assert holder(kept, secret) == entry
        assert secret not in entry.entry
        assert holder(kept, entry.digest) is None
        assert holder(kept, secret[:-1]) is None
    assert holder([], keys[0][0]) is None
    assert len({secret for secret, _ in keys}) == 3


@pytest.mark.parametrize(
    "entry",
    [
        "bk_abc",
        "a:read:abc",
        f"a:admin:{'0' * 64}",
        f"a:read+read:{'0' * 64}",
        f"a b:read:{'0' * 64}",
    ],
)
def test_unusable_entry_is_refused_and_not_repeated(
    entry: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAROMETER_API_KEYS", entry)
    with pytest.raises(SettingsError, match="BAROMETER_API_KEYS") as refused:
        read_settings()
    assert entry not in str(refused.value)


def test_command_makes_keys_that_the_setting_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("keys", "new", "reporter", "--scope", "write", "--scope", "read", "--json")
    made = json.loads(barometer(*words, state=tmp_path).stdout)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAROMETER_API_KEYS", made["entry"])
    [key] = [ApiKey.parse(entry) for entry in read_settings().api_keys]
    assert (key.name, key.scopes) == ("reporter", {"read", "write"})
    assert holder([key], made["key"]) == key
    monkeypatch.setenv("BAROMETER_API_KEYS", f"{made['entry']} {made['entry']}")
    with pytest.raises(SettingsError, match="name of its own"):
        read_settings()


def test_command_refuses_a_scope_that_there_is_not(tmp_path: Path) -> None:
    unknown = barometer("keys", "new", "x", "--scope", "all", state=tmp_path)
    assert unknown.returncode == 64
    assert "read and write" in unknown.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BAROMETER_RATE_LIMIT", "many"),
        ("BAROMETER_RATE_LIMIT", "0/minute"),
        ("BAROMETER_CORS_ORIGINS", "*"),
        ("BAROMETER_CORS_ORIGINS", "https://a.example/path"),
        ("BAROMETER_CORS_ORIGINS", "a.example"),
    ],
)
def test_unusable_limit_or_origin_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        read_settings()
