"""`barometer sources test`: a few posts straight from a source, without a stream."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from barometer.cli import app
from barometer.console import out
from barometer.database import database_url, engine_for
from barometer.errors import InputError, SettingsError, SourceError
from barometer.posts import Post
from barometer.settings import Settings, settings
from barometer.source_states import readings
from ingestion.calls.allowance import Allowance
from ingestion.catalog import SourceKind
from ingestion.sample import Sample, take_sample
from ingestion.source import Events, Position
from tests.conftest import post
from tests.ingestion.feed_bodies import news_search
from tests.ingestion.feed_server import FeedServer, feed, silent, status

HOSTILE = "\u202eMetro [red]is[/red] fine today " + "and so on " * 40


class Telling:
    """A live source that tells two posts and then, for as long as it is heard, nothing."""

    name = "bluesky"

    def __init__(self, settings: Settings) -> None:
        self._allowance = Allowance(
            engine_for(database_url(settings)), "told", 10, timedelta(hours=1)
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> "Telling":
        return cls(settings)

    async def follow(self, events: Events, position: Position) -> AsyncGenerator[Post, None]:
        for number in range(2):
            await self._allowance.acquire()
            yield post(number, f"{events()[0].keywords[0]} {number}")
        await asyncio.to_thread(time.sleep, 20)  # a library's call that hangs


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = SourceKind("bluesky", "a live source", live=f"{__name__}:Telling")
    monkeypatch.setattr("ingestion.catalog.KINDS", (kind,))


def sample_of(feeds: FeedServer, tmp_path: Path, path: str, **given: object) -> Sample:
    url = f"{feeds.base}{path}?q={{keyword}}"
    config = Settings(state_dir=tmp_path, news_search_url=url, feed_timeout_s=0.2)
    return take_sample(config, "rss", "night trains", 2, **given)  # type: ignore[arg-type]


def test_posts_come_from_the_source_itself_and_leave_no_trace(
    feeds: FeedServer, tmp_path: Path
) -> None:
    stories = [(f"Night trains {number}", "Daily") for number in range(4)]
    feeds.serve("/found", feed(news_search("night trains", stories)))
    sample = sample_of(feeds, tmp_path, "/found")
    assert ([found.author for found in sample.posts], sample.fault) == (["Daily", "Daily"], None)
    assert feeds.asked("/found")[0].query == {"q": ["night trains"]}
    assert readings(engine_for(database_url(Settings(state_dir=tmp_path)))) == []
    assert not list(tmp_path.glob("redis*"))
    feeds.serve("/none", feed(news_search("night trains", [])))
    none = sample_of(feeds, tmp_path, "/none")
    assert (none.posts, none.fault) == ([], None)


def test_fault_of_the_source_is_said(feeds: FeedServer, tmp_path: Path) -> None:
    feeds.serve("/closed", status(403))
    assert "answered 403" in str(sample_of(feeds, tmp_path, "/closed").fault)
    feeds.serve("/silent", silent)
    late = sample_of(feeds, tmp_path, "/silent", within_s=0.1)
    assert "rss: its answer was not complete within 0.1 s" in str(late.fault)
    for name in ("http", "replay", "webhook", "form"):
        config = Settings(state_dir=tmp_path, webhook_secrets="form:0123456789abcdef")
        with pytest.raises(InputError, match=f"'{name}' is not fetched"):
            take_sample(config, name, "x", 1)
    with pytest.raises(InputError, match="fax"):
        take_sample(Settings(state_dir=tmp_path), "fax", "x", 1)
    with pytest.raises(SettingsError, match="BAROMETER_NEWS_API_KEY"):
        take_sample(Settings(state_dir=tmp_path), "news", "x", 1)


@pytest.mark.usefixtures("known")
def test_live_source_is_heard_for_a_while_and_counts_in_its_allowance(tmp_path: Path) -> None:
    config = Settings(state_dir=tmp_path)
    began = time.monotonic()
    sample = take_sample(config, "bluesky", "today", 5, within_s=0.4)
    assert time.monotonic() - began < 5, "a thread that hangs was waited for"
    assert [found.text for found in sample.posts] == ["today 0", "today 1"]
    assert (sample.fault, sample.waited_s) == (None, 0.4)
    engine = engine_for(database_url(config))
    assert Allowance(engine, "told", 10, timedelta(hours=1)).left() == 8


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Runs the command line here, on a terminal of 100 columns, and gives what it prints."""
    monkeypatch.setattr(out, "width", 100)
    monkeypatch.setenv("BAROMETER_STATE_DIR", str(tmp_path))

    def run(*words: str, **env: str) -> str:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        with out.capture() as captured:
            app(words, standalone_mode=False)
        return captured.get()

    yield run
    settings.cache_clear()


def test_commands_show_tables_that_fit_and_untrusted_text_as_text(
    feeds: FeedServer, command: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    feeds.serve("/found", feed(news_search("today", [(HOSTILE, "Cat \u2066Times")])))
    search = {"BAROMETER_NEWS_SEARCH_URL": f"{feeds.base}/found?q={{keyword}}"}
    shown = command("sources", "test", "rss", **search)
    assert "�Metro [red]is[/red] fine today" in shown
    assert "Cat �Times" in shown
    assert "…" in shown
    assert "https://news.example/rss/articles/CBMi0" in shown
    listed = command("sources")
    assert "BAROMETER_REDDIT_CLIENT_SECRET" in listed
    assert max(map(len, (shown + listed).splitlines())) <= 100
    feeds.serve("/found", feed(news_search("today", [])))
    said = "rss answers, and has nothing about 'ships': try --keyword.\n"
    assert command("sources", "test", "rss", "--keyword", "ships") == said
    feeds.serve("/found", status(404))
    with pytest.raises(SourceError, match="answered 404"):
        command("sources", "test", "rss", "--json")
    assert "answered 404" in json.loads(capsys.readouterr().out)["error"]
    with pytest.raises(InputError, match="behind the command"):
        command("sources", "--json", "test", "rss")
