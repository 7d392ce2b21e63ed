import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine

from barometer.database import engine_for, migrate
from tests.ingestion.feed_server import FeedServer
from tests.ingestion.reddit.server import COMMENTS, INFO, NEW, SEARCH, TOKEN, Reddit, token


@pytest.fixture
def reddit(feeds: FeedServer, monkeypatch: pytest.MonkeyPatch) -> Reddit:
    """Reddit at a server of its own, to which praw's own variables lead."""
    monkeypatch.setenv("praw_reddit_url", feeds.base)
    monkeypatch.setenv("praw_oauth_url", feeds.base)
    reddit = Reddit(feeds)
    feeds.serve(TOKEN, token)
    feeds.serve(SEARCH, reddit.listing("t3"))
    feeds.serve(NEW, reddit.listing("t3"))
    feeds.serve(COMMENTS, reddit.listing("t1"))
    feeds.serve(INFO, reddit.info)
    return reddit


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables: migrating takes longer than most of these tests."""
    path = tmp_path_factory.mktemp("reddit") / "empty.db"
    migrate(f"sqlite:///{path}")
    engine_for(f"sqlite:///{path}").dispose()
    return path


@pytest.fixture
def engine(empty_database: Path, tmp_path: Path) -> Engine:
    """One kind of database is enough: what is done to it is tested with both elsewhere."""
    shutil.copy(empty_database, tmp_path / "test.db")
    return engine_for(f"sqlite:///{tmp_path / 'test.db'}")
