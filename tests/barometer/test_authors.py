"""How names are kept: one mark a person and source, a key that nobody else can read."""

import multiprocessing
import stat
from pathlib import Path

import pytest

from barometer.author_key import author_key
from barometer.authors import MARK, Authors
from barometer.errors import SettingsError
from barometer.settings import Settings
from tests.conftest import post

KEY = "a key that nobody guesses"


def authors(tmp_path: Path, **given: object) -> Authors:
    return Authors(Settings(state_dir=tmp_path, author_key=KEY, **given))


def test_spellings_of_a_name_have_one_mark_and_sources_have_their_own(tmp_path: Path) -> None:
    kept = authors(tmp_path)
    spellings = ("Zoë", "@zoë", "ZOË ", "Zoe\u0308", "u/zoë", "/u/Zo\u00eb", "\uff3aoë")
    [mark] = {kept.mark("reddit", name) for name in spellings}
    assert MARK.fullmatch(mark)
    assert kept.mark("reddit", mark) == mark
    others = {kept.mark("x", "zoë"), kept.mark("reddit", "zoe"), kept.mark("reddit", "@@zoë"), mark}
    assert len(others) == 4
    assert Authors(Settings(state_dir=tmp_path)).mark("reddit", "zoë") != mark


@pytest.mark.parametrize("how", ["hashed", "none", "plain"])
def test_post_keeps_its_name_as_the_setting_says(tmp_path: Path, how: str) -> None:
    kept = authors(tmp_path, author_names=how)
    profile = "https://social.example/@Anna/11"
    said = {"user": "Anna K.", "by": ["@anna", "news"], "deep": {"likes": 3, "who": "anna"}}
    original = post(1, author="anna@social.example", url=profile, metadata=said)
    hidden = kept.hidden(original)
    assert kept.hidden(hidden) == hidden
    if how == "plain":
        assert hidden == original
        return
    assert "anna" not in hidden.model_dump_json().lower()
    assert hidden.url is None
    assert hidden.metadata["by"][1] == "news"
    assert hidden.metadata["deep"]["likes"] == 3
    assert (hidden.author is None) == (how == "none")
    assert hidden.id == "1"
    uri = "https://social.example/users/anna/statuses/11"
    by_uri = kept.hidden(original.model_copy(update={"id": uri}))
    assert by_uri.id.startswith("id:")
    assert by_uri.id == kept.hidden(original.model_copy(update={"id": uri})).id
    assert by_uri.id != kept.hidden(original.model_copy(update={"id": uri + "2"})).id
    own_page = "https://www.reddit.com/r/u_Anna/comments/1/title/"  # so Reddit calls it
    there = post(3, author="anna", url=own_page, metadata={"subreddit": "u_Anna"})
    assert "anna" not in kept.hidden(there).model_dump_json().lower()
    named = post(2, author="Harbour Daily", url="https://harbour.example/a?id=1")
    assert kept.hidden(named).url == named.url


def _mark(folder: Path) -> str:
    return Authors(Settings(state_dir=folder)).mark("s", "anna")


def test_key_is_made_once_and_for_this_user_alone(tmp_path: Path) -> None:
    with multiprocessing.get_context("forkserver").Pool(4) as pool:
        [_] = set(pool.map(_mark, [tmp_path] * 16))
    file = tmp_path / "author.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text().strip()) == 64
    file.write_text("short\n")
    with pytest.raises(SettingsError, match=r"author\.key is too short"):
        author_key(Settings(state_dir=tmp_path))
    with pytest.raises(SettingsError, match="BAROMETER_AUTHOR_KEY is too short"):
        author_key(Settings(state_dir=tmp_path, author_key="secret"))
