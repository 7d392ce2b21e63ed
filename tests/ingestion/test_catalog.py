"""Sources are opened by their names, and only then are their libraries imported."""

import subprocess
import sys
from pathlib import Path

from barometer.settings import Settings
from ingestion.catalog import kind_of

LIBRARIES = ("newsapi", "tweepy")


def test_sources_with_keys_are_opened_from_the_settings(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, news_api_key="key", x_bearer_token="token")  # noqa: S106
    opened = (
        kind_of("news").open_polled(settings),
        kind_of("x").open_polled(settings),
        kind_of("x").open_live(settings),
    )
    assert [source.name for source in opened] == ["news", "x", "x"]


def test_listing_sources_imports_no_library_of_theirs() -> None:
    check = f"import ingestion.catalog, sys; print([n for n in {LIBRARIES} if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, check=True)
    assert found.stdout.strip() == b"[]"
