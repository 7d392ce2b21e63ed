import unicodedata

import emoji
import pytest
from hypothesis import given
from hypothesis import strategies as st

import barometer.text
from barometer.text import fingerprint, mentions, model_input


@pytest.mark.parametrize(
    ("original", "expected"),
    [
        ("bread &amp; roses", "bread & roses"),
        ("@sam_1 look https://example.org/a?b=1 now", "@user look http now"),
        ("so happy 😂", "so happy face with tears of joy"),
        ("it\u2019s \u201cfine\u201d", 'it\'s "fine"'),
        ("\ufb01ne  \n\t day", "fine day"),
        ("mail me: sam@example.org", "mail me: sam@example.org"),
        ("zero\u200bwidth", "zero width"),
    ],
)
def test_what_the_model_reads(original: str, expected: str) -> None:
    assert model_input(original) == expected


EMOJI = st.sampled_from([*emoji.EMOJI_DATA, "\ufe0f", "\ufe0e", "\u200d", "1", "#", "\u20e3"])


@given(st.lists(st.one_of(EMOJI, st.text(max_size=3)), max_size=8).map("".join))
def test_emoji_are_words_wherever_the_library_finds_one(text: str) -> None:
    words = emoji.demojize(text, delimiters=(" :", ": "))
    assert barometer.text._emoji_as_words(text, (" :", ": ")) == words


@given(st.text(max_size=300))
def test_model_input_is_stable_and_clean(text: str) -> None:
    once = model_input(text)
    assert model_input(once) == once or "&" in once or ":" in once
    assert "  " not in once
    assert once == once.strip()
    assert not any(unicodedata.category(c)[0] == "C" for c in once)


def test_fingerprint_ignores_what_reposts_change() -> None:
    assert fingerprint("Great news! https://a.example @sam") == fingerprint("great NEWS @kim")
    assert fingerprint("great news") != fingerprint("bad news")


@pytest.mark.parametrize("text", ["the Budget vote", "#budget!", "BUDGET", "a budget."])
def test_keyword_is_found_as_a_word(text: str) -> None:
    assert mentions("budget").search(text)


@pytest.mark.parametrize("text", ["budgets", "mybudget", "bud get"])
def test_part_of_a_word_is_no_mention(text: str) -> None:
    assert not mentions("budget").search(text)


def test_keyword_is_text_and_no_pattern() -> None:
    assert not mentions("a.c").search("abc")
    assert mentions("C++ code").search("I write c++  code daily")
