"""From a post's original text to what the model reads; the same for training and for serving."""

import html
import re
import unicodedata
from typing import Final

import emoji

URL: Final = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
USER: Final = re.compile(r"(?<![\w@.])@\w{1,50}")
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
    text = emoji.demojize(text, delimiters=(" :", ": "))
    text = re.sub(r" :([^\s:]+): ", lambda m: f" {m[1].replace('_', ' ')} ", text)
    text = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text)
    return SPACES.sub(" ", text).strip()


def fingerprint(text: str) -> str:
    """A form under which two posts count as the same text: case, marks, users and links ignored.

    Emoji stay, as words: they may be all that two posts of opposite mood differ in.
    """
    masked = emoji.demojize(USER.sub(" ", URL.sub(" ", html.unescape(text))))
    return NOT_WORD.sub(" ", unicodedata.normalize("NFKC", masked).casefold()).strip()


def mentions(keyword: str) -> re.Pattern[str]:
    """A pattern that finds `keyword` as whole words, whatever the case (also as #keyword)."""
    words = [re.escape(word) for word in keyword.split()]
    return re.compile(r"(?<!\w)" + r"\s+".join(words) + r"(?!\w)", re.IGNORECASE)
