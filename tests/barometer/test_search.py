"""A keyword finds the same posts in both databases: those that its pattern matches."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from barometer import search
from barometer.store import store
from barometer.text import mentions
from barometer.words import words
from tests.conftest import judgement, post, posts_mentioning

TEXTS = (
    "the city budget passed",
    "City\n BUDGET!",
    "city-budget, no",
    "budget of the city",
    "#CityBudget and #budget",
    "@budget https://budget.example",
    "budgets are no budgeting",
    "servus Österreich, grüß Gott",
    "SERVUS ÖSTERREICH",
    "İstanbul, ISTANBUL und \u0131stanbul",
    "Straße oder STRASSE",
    "I write C++ code :)",
    "a_b and a b",
    "100% of it",
    "so happy 🎉🎉 today",
    "❤️ for this",
    "it's Zoë's day",
    "東京 は 雨",
    "東京都",
    "quote \"this' \\ that & those | these ! : *",
    "x2b is a word, too",
    "NEAR AND OR NOT",
)
KEYWORDS = (
    "budget", "city budget", "city  budget", "#budget", "Österreich", "österreich", "grüß",
    "istanbul", "strasse", "straße", "C++", "c++ code", ":)", "a_b", "a", "b", "%", "100%", "🎉",
    "❤️", "it's", "it", "Zoë", "zoe", "東京", "&", "\\", "'", '"', "*", "x2b", "and", "near", "NOT",
    "?", "a%b", "budg", "et",
)  # fmt: skip


@pytest.fixture
def texts(engine: Engine) -> list[str]:
    begin = post().created_at
    store(engine, [
        (post(n, text, created_at=begin + timedelta(minutes=n)), judgement())
        for n, text in enumerate(TEXTS)
    ])  # fmt: skip
    return list(TEXTS)


def test_keyword_finds_what_its_pattern_matches(engine: Engine, texts: list[str]) -> None:
    for keyword in KEYWORDS:
        found = [row.text for row in posts_mentioning(engine, keyword, 100)]
        assert found == [t for t in reversed(texts) if mentions(keyword).search(t)], keyword


def test_newest_come_first_whenever_they_were_stored(engine: Engine) -> None:
    begin = post().created_at
    days = [5, 1, -200_000, 9, 3, 300_000, 7]
    for day in days:  # the years 1478 and 2847 lie beyond what a row's number can tell
        moment = begin + timedelta(days=day)
        store(engine, [(post(day, f"budget {day}", created_at=moment), judgement())])
    found = [int(row.external_id) for row in posts_mentioning(engine, "budget", 5)]
    assert found == sorted(days, reverse=True)[:5]
    assert len(posts_mentioning(engine, "budget", 50)) == len(days)


def test_search_goes_on_until_enough_posts_match(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEWEST", 4)
    begin = post().created_at
    store(engine, [
        (post(n, "city budget" if n < 3 else f"budget of city {n}",
              created_at=begin + timedelta(seconds=n)), judgement())
        for n in range(30)
    ])  # fmt: skip
    found = [row.external_id for row in posts_mentioning(engine, "city budget", 2)]
    assert found == ["2", "1"]


def test_changed_and_deleted_posts_are_found_no_more(engine: Engine, texts: list[str]) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM posts WHERE external_id = '0'")
        connection.exec_driver_sql("UPDATE posts SET words = 'harbour' WHERE external_id = '1'")
    assert posts_mentioning(engine, "city budget", 10) == []
    assert len(posts_mentioning(engine, "servus", 10)) == 2


@given(st.text(max_size=60), st.text(max_size=60), st.text(min_size=1, max_size=12))
def test_no_mention_lacks_a_word_of_its_keyword(before: str, after: str, keyword: str) -> None:
    if not keyword.split():
        return
    for said in (keyword, keyword.upper(), keyword.lower(), keyword.title()):
        text = f"{before} {said} {after}"
        if mentions(keyword).search(text):
            assert set(words(keyword)) <= set(words(text))


def test_letters_that_patterns_take_for_one_are_one_word() -> None:
    cased = [c for c in map(chr, range(0x110000)) if c.lower() != c or c.upper() != c]
    together = "".join(cased)
    for letter in cased:
        for same in re.findall(re.escape(letter), together, re.IGNORECASE):
            assert words(letter) == words(same)


def test_words_need_no_quotes_anywhere() -> None:
    every = " ".join(chr(n) for n in range(0x20000) if not 0xD800 <= n < 0xE000)
    for letter in "".join(words(every)):
        assert letter.isalnum() if letter.isascii() else not letter.isspace()
