"""One person as the author of posts: by name, however it is spelt and kept."""

import re
from functools import cache
from typing import Final

import orjson

from barometer.authors import ANY_SOURCE, MARK, Authors
from barometer.errors import InputError

WRITTEN: Final = {
    "bluesky": (
        re.compile(r"did:[a-z]+:\S+"),
        "the account's DID, such as did:plc:…: its handle may change, and comes with no post",
    ),
    "mastodon": (
        re.compile(r"@?[^@\s]+@[^@\s]+"),
        "the name with its server, such as anna@mastodon.social",
    ),
}
"""How a source writes its authors, where a person may know another name."""


class Person:
    """Whose posts they are, at one source or at any."""

    def __init__(self, authors: Authors, name: str, source: str | None = None) -> None:
        """`name` may be a mark, too: then one source's posts are meant, whichever it is.

        Raises:
            InputError: the name is empty, or none that the source would write.
        """
        if not name.strip():
            raise InputError("author: name somebody.", "author")
        form, words = WRITTEN.get(source or "", (None, ""))
        if form and not form.fullmatch(name.strip()) and not MARK.fullmatch(name):
            raise InputError(f"author: at {source} give {words}.", "author")
        self._authors = authors
        self.source = source
        self.mark_at = cache(lambda where: authors.mark(where, name))
        """The mark that the person's posts of a source carry."""
        self._seen = cache(authors.mark)  # most posts are by authors who have written others

    @property
    def mark(self) -> str:
        """What stands for the person wherever they write."""
        return self.mark_at(ANY_SOURCE)

    def wrote(self, source: str, author: str | None) -> bool:
        """Whether this author, plain or hashed, of this source is the person."""
        if author is None or (self.source is not None and source != self.source):
            return False
        return self._seen(source, author) == self.mark_at(source)

    def wrote_json(self, post: bytes) -> bool:
        """The same of a post's JSON; one that cannot be read is nobody's."""
        try:
            read = orjson.loads(post)
        except orjson.JSONDecodeError:
            return False
        if not isinstance(read, dict):
            return False
        source, author = read.get("source"), read.get("author")
        return isinstance(source, str) and isinstance(author, str) and self.wrote(source, author)
