from hypothesis import example, given, settings
from hypothesis import strategies as st

from barometer.text import mentions
from ingestion.bluesky.keywords import any_of

CHARACTERS = (
    "aAbIi\u0130\u0131\u017fsSKk\u212a\u00df\u1e9e\u03c3\u03c2\u03a3\u00e9E\u0301\u0345\u03b9"
    "\u00a0\u0133_-+#&.^]\\[|*?(){}$\n\t 1\u00b2"
)
"""Few, so that keywords are found; with those that fold oddly, combine or mean something in a
pattern."""
texts = st.text(CHARACTERS, max_size=12)
keywords = texts.filter(str.strip).map(lambda text: " ".join(text.split()))


@settings(max_examples=200, deadline=None)
@given(st.lists(keywords, min_size=1, max_size=6), texts)
@example(["night bus", "night", "nightly"], "the NIGHT \n bus")
@example(["C++", "c", "#kiss"], "c++ #\u212aI\u017fS")
def test_finds_what_one_of_the_keywords_finds(words: list[str], text: str) -> None:
    for content in (text, f"{words[0]} {text}", f"{text}{words[-1]}".upper(), "a".join(words)):
        expected = any(mentions(word).search(content) for word in words)
        assert bool(any_of(words).search(content)) == expected


def test_no_keyword_is_found_nowhere() -> None:
    assert not any_of([]).search("anything")
