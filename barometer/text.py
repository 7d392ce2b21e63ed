"""From a post's original text to what the model reads; the same for training and for serving."""

import html
import re
import unicodedata
from functools import cache, lru_cache
from typing import Final

import emoji

URL: Final = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
USER: Final = re.compile(r"(?<![\w@.])@\w{1,50}")
TEXT_STYLE: Final = "\ufe0e"
"""Says that the sign before it is no emoji; the emoji library drops it anywhere."""
SPACES: Final = re.compile(r"\s+")
NOT_WORD: Final = re.compile(r"[^\w]+")
# Typographic quotes carry no mood, and the vocabulary splits them off as unknown pieces; the
# public sentiment rows write apostrophes as backticks.
PLAIN_QUOTES: Final = str.maketrans("\u2018\u2019\u201c\u201d`", "''\"\"'")


def model_input(text: str) -> str:
    """Derive the model's input: entities unescaped, NFKC, users and URLs masked, emoji as words.

    The original text is never changed; this is a second, derived string. May be empty when the
    text holds nothing but invisible characters.
    """
    text = unicodedata.normalize("NFKC", html.unescape(text)).translate(PLAIN_QUOTES)
    text = URL.sub("http", text)
    text = USER.sub("@user", text)
    text = _emoji_as_words(text, (" :", ": "))
    text = re.sub(r" :([^\s:]+): ", lambda m: f" {m[1].replace('_', ' ')} ", text)
    text = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text)
    return SPACES.sub(" ", text).strip()


def fingerprint(text: str) -> str:
    """A form under which two posts count as the same text: case, marks, users and links ignored.

    Emoji stay, as words: they may be all that two posts of opposite mood differ in.
    """
    masked = _emoji_as_words(USER.sub(" ", URL.sub(" ", html.unescape(text))), (":", ":"))
    return NOT_WORD.sub(" ", unicodedata.normalize("NFKC", masked).casefold()).strip()


@lru_cache(maxsize=2_048)  # every post is held against the same keywords
def mentions(keyword: str) -> re.Pattern[str]:
    """A pattern that finds `keyword` as whole words, whatever the case (also as #keyword)."""
    words = [re.escape(word) for word in keyword.split()]
    return re.compile(r"(?<!\w)" + r"\s+".join(words) + r"(?!\w)", re.IGNORECASE)


def _emoji_as_words(text: str, delimiters: tuple[str, str]) -> str:
    # The library looks at every character, which takes longer than the rest of the cleaning.
    if _emoji_characters().isdisjoint(text):
        return text
    return emoji.demojize(text, delimiters=delimiters)


@cache
def _emoji_characters() -> frozenset[str]:
    """What the library may change: ASCII (digits, `#` and `*` of keycaps) only beside another."""
    made_of = {char for each in emoji.EMOJI_DATA for char in each if not char.isascii()}
    return frozenset(made_of | {TEXT_STYLE})
