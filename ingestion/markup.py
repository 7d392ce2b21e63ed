"""Outside markup as plain text."""

import html
import re
from typing import Final

from barometer.text import fingerprint

MAX_MARKUP: Final = 20_000
"""Characters of markup that are looked at; what follows is dropped."""

# The standard library's HTMLParser of Python 3.11 raises on `<![` and takes time cubic in the
# length of broken tags. No part of this pattern crosses a `<`, so it is linear on any input. A `<`
# that opens nothing ("I <3 you") stays text.
_TAG: Final = re.compile(
    r"""<!--.*?(?:-->|\Z)"""
    r"""|<(?P<end>/?)(?P<name>[a-z][^\s<>/]*)(?>(?:"[^"<]*"|'[^'<]*'|[^'"<>])*)[^<>]*>?"""
    r"""|<[!?/][^<>]*>?""",
    re.DOTALL | re.IGNORECASE,
)
_INLINE: Final = re.compile(
    r"a|abbr|b|bd[io]|big|cite|code|dfn|em|font|i|ins|kbd|mark|q|s|small|span|strong|su[bp]|tt|u|wbr"
)
_UNSEEN: Final = re.compile(r"iframe|noscript|object|script|style|svg|template|textarea")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def plain_text(markup: str, limit: int) -> str:
    """The text that a reader of `markup` sees, on one line, in at most `limit` characters.

    Scripts, styles, comments, control characters and lone surrogates are left out; entities are
    resolved once, after the tags are gone, so an escaped tag stays text.
    """
    markup = markup[:MAX_MARKUP]
    parts: list[str] = []
    at = 0
    unseen: str | None = None
    for tag in _TAG.finditer(markup):
        name = (tag["name"] or "").lower()
        if unseen is None:
            parts.append(markup[at : tag.start()])
            parts.append("" if _INLINE.fullmatch(name) else " ")
            unseen = name if _UNSEEN.fullmatch(name) and not tag["end"] else None
        elif tag["end"] and name == unseen:
            unseen = None
        at = tag.end()
    if unseen is None:
        parts.append(markup[at:])
    text = _CONTROL.sub(" ", html.unescape("".join(parts)))
    return " ".join(text.split())[:limit].rstrip()


def joined(title: str, body: str, limit: int) -> str:
    """A title and what stands below it as one text, in at most `limit` characters.

    A body that only repeats the title, as a news search does, is left out.
    """
    if not body or f" {fingerprint(body)} " in f" {fingerprint(title)} ":
        return title
    if not title:
        return body
    return f"{title}{' ' if title[-1] in '.!?:…' else '. '}{body}"[:limit].rstrip()
