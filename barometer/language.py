"""Which language a text is written in, told by CLD2: offline, 2 MB of tables, some microseconds."""

import html
import re
import unicodedata
from functools import cache
from typing import Final

import pycld2

from barometer.text import URL, USER

SURE_OF: Final = 60
"""Per cent of a text that its first language must make up: below, two are mixed."""
ALIASES: Final = {
    "fil": "tl",
    "in": "id",
    "iw": "he",
    "ji": "yi",
    "jw": "jv",
    "mo": "ro",
    "nb": "no",
    "sco": "en",
}
"""Codes that were replaced, or stand for nearly the same language. CLD2 takes some plain English
for Scots, which a model of English reads."""
CODE: Final = re.compile(r"[a-z]{2,3}")
NO_LANGUAGE: Final = re.compile(r"un|und|mul|zxx|mis|q[a-t][a-z]|xxx?|zz.|tlh")
"""Codes for an unknown language, several or none; private ones; CLD2's for scripts and jokes."""
OTHER_SCRIPT: Final = re.compile("[^\\W\\d_A-Za-z\u00aa-\u024f]")
LATIN: Final = re.compile("[A-Za-z\u00c0-\u024f]")


def detect(text: str) -> str | None:
    """The ISO 639 code of a text's language; None where the text is too short or mixed to tell.

    None rather than a guess: a text in the model's own language must not be taken for another. Only
    letters of other scripts than Latin settle that they are not, however few they are.
    """
    plain = unicodedata.normalize("NFKC", html.unescape(text))
    plain = USER.sub(" ", URL.sub(" ", plain)).replace("#", " ")
    others = len(OTHER_SCRIPT.findall(plain))
    try:
        sure, _, found = pycld2.detect(
            plain, isPlainText=True, bestEffort=others > len(LATIN.findall(plain))
        )
    except pycld2.error:  # it knows no characters of newer Unicode versions, and no unassigned ones
        return None
    _, code, per_cent, _ = found[0]
    return known_code(code) if sure and per_cent >= SURE_OF else None


def known_code(code: str) -> str | None:
    """The code in the one form that is stored: `de-AT` becomes `de`; None if it names no language.

    A code of three letters whose language has one of two (`deu`) is not understood.
    """
    primary = re.split("[-_]", code.strip().casefold(), maxsplit=1)[0]
    primary = ALIASES.get(primary, primary)
    return primary if primary in _codes() else None


@cache
def _codes() -> frozenset[str]:
    named = {code.split("-")[0] for _, code in pycld2.LANGUAGES}
    codes = {ALIASES.get(code, code) for code in named}
    return frozenset(c for c in codes if CODE.fullmatch(c) and not NO_LANGUAGE.fullmatch(c))
