from pathlib import Path

import pytest

from barometer.errors import SettingsError
from barometer.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults_need_nothing() -> None:
    assert read_settings().port == 3000


def test_environment_and_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("BAROMETER_PORT=4000\nBAROMETER_FEEDS=a.example, b.example\n")
    monkeypatch.setenv("BAROMETER_PORT", "5000")
    settings = read_settings()
    assert settings.port == 5000
    assert settings.feeds == ("a.example", "b.example")


def test_subreddits_may_be_written_as_reddit_shows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAROMETER_REDDIT_SUBREDDITS", "r/news, /r/city/ all-pics")
    assert read_settings().reddit_subreddits == ("news", "city", "all-pics")


@pytest.mark.parametrize("where", ["environment", "file"])
def test_unknown_setting_is_named(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "environment":
        monkeypatch.setenv("BAROMETER_PROT", "1")
    else:
        (tmp_path / ".env").write_text("BAROMETER_PROT=1\n")
    with pytest.raises(SettingsError, match="BAROMETER_PROT"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BAROMETER_PORT", "99999"),
        ("BAROMETER_REPLAY_MINUTES", "0"),
        ("BAROMETER_NEWS_SEARCH_URL", "https://example.org/search"),
        ("BAROMETER_REDDIT_SUBREDDITS", "news https://www.reddit.com/r/city"),
        ("BAROMETER_LOG_LEVEL", "LOUD"),
        ("BAROMETER_BREAKER_FAILURES", "0"),
        ("BAROMETER_LLM_URL", "api.example.org/v1"),
        ("BAROMETER_BROKER_URL", "localhost:6379"),
        ("BAROMETER_BROKER_URL", "kafka://localhost"),
        ("BAROMETER_BROKER_URL", "kafkas://me:secret@localhost:9092"),
        ("BAROMETER_REDIS_CA_FILE", "/nowhere/ca.pem"),
        ("BAROMETER_KAFKA_CA_FILE", "/nowhere/ca.pem"),
        ("BAROMETER_KAFKA_LOGIN", "GSSAPI"),
        ("BAROMETER_STREAM_KEEP_DAYS", "0"),
    ],
)
def test_bad_value_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        read_settings()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


def test_llm_needs_a_model_and_its_key_stays_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAROMETER_LLM_URL", "https://api.example.org/v1/")
    with pytest.raises(SettingsError, match="BAROMETER_LLM_MODEL cannot be used: must name"):
        read_settings()
    monkeypatch.setenv("BAROMETER_LLM_MODEL", "small")
    monkeypatch.setenv("BAROMETER_LLM_API_KEY", "hidden-key")
    settings = read_settings()
    assert settings.llm_url == "https://api.example.org/v1"
    assert "hidden-key" not in repr(settings)
    assert settings.llm_api_key.get_secret_value() == "hidden-key"
