"""How authors' names are kept: as a keyed hash (their mark), plain, or not at all.

A mark tells one author's posts of one source apart from another's, and tells nobody the name: who
lacks the key cannot even try names out. It is the same wherever the key is.
"""

import re
import unicodedata
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import unquote

from barometer.author_key import author_key
from barometer.posts import Post
from barometer.settings import Settings

PREFIX: Final = "author:"
MARK: Final = re.compile(PREFIX + "[0-9a-f]{20}")
HANDLE: Final = re.compile(r"^(?:@|/?u/)")
OWN_PAGE: Final = "u_"
"""What Reddit puts before a name to name its owner's page, a subreddit like any other."""
ANY_SOURCE: Final = ""
"""The source under which a name is marked wherever it writes."""
NAMED: Final = frozenset(
    ("account", "author", "display_name", "handle", "screen_name", "user", "user_name", "username")
)
"""Keys of metadata whose value is taken for a name, whatever it says."""
LONGEST: Final = 256
"""Characters of a name; a longer text in the metadata is none."""
SEGMENTS: Final = re.compile(r"[/?&=#]")


def normal(name: str) -> str:
    """The form under which two spellings are one name: no case, no `@` or `u/` before it."""
    folded = name.lower()
    if not name.isascii():  # most are, and this takes ten times as long
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    plain = " ".join(folded.split())
    return HANDLE.sub("", plain) or plain


class Authors:
    """Keeps names as the settings say. Threads may share it."""

    def __init__(self, settings: Settings) -> None:
        """The key is read, or made, when the first name comes.

        Its methods raise `SettingsError` where there is no usable key.
        """
        self._settings = settings
        self._how = settings.author_names

    @cached_property
    def _key(self) -> bytes:
        return author_key(self._settings)

    def mark(self, source: str, name: str) -> str:
        """What stands for this name at this source; a mark stands for itself."""
        if MARK.fullmatch(name):
            return name
        return self._hash(PREFIX, f"{source}\x00{normal(name)}", 10)

    def marks(self, source: str, name: str | None) -> tuple[str, ...]:
        """The marks under which an author may be known: of the source, and of any source."""
        if name is None:
            return ()
        return tuple(dict.fromkeys((self.mark(source, name), self.mark(ANY_SOURCE, name))))

    def hidden(self, post: Post) -> Post:
        """The post as it may be kept; hiding it a second time changes nothing."""
        given = (post.id, post.author, post.url, post.metadata)
        kept = self.hidden_fields(post.source, *given)
        if kept == given:
            return post
        names = ("id", "author", "url", "metadata")
        return post.model_copy(update=dict(zip(names, kept, strict=True)))

    def hidden_fields(
        self,
        source: str,
        number: str,
        author: str | None,
        url: str | None,
        metadata: dict[str, Any],
    ) -> tuple[str, str | None, str | None, dict[str, Any]]:
        """Id, author, address and metadata of a post as they may be kept.

        An id that holds the name, as one made of an address may, is hashed as a whole, always the
        same way. Such an address is not kept.
        """
        if self._how == "plain":
            return number, author, url, metadata
        own = set() if author is None or MARK.fullmatch(author) else _spellings(author)
        clean: dict[str, Any] = self._without(own, source, metadata)
        if own and _holds(number, own):
            number = self._hash("id:", f"{source}\x00{number}", 16)
        if own and url and _holds(url, own):
            url = None
        return number, self._shown(source, author), url, clean

    def _hash(self, prefix: str, said: str, size: int) -> str:
        content = said.encode(errors="surrogatepass")
        return prefix + blake2b(content, key=self._key, digest_size=size).hexdigest()

    def _shown(self, source: str, name: str | None) -> str | None:
        return None if name is None or self._how == "none" else self.mark(source, name)

    def _without(self, own: set[str], source: str, value: Any, key: str = "") -> Any:
        """Metadata with each name in it as it may be kept."""
        if isinstance(value, dict):
            return {k: self._without(own, source, each, k) for k, each in value.items()}
        if isinstance(value, list):
            return [self._without(own, source, each, key) for each in value]
        if not isinstance(value, str) or len(value) > LONGEST:
            return value
        is_name = key.lower() in NAMED or _is_among(value, own)
        return self._shown(source, value) if is_name else value


def _spellings(name: str) -> set[str]:
    """The name, and the part of it by which its own server knows it (`anna` of `anna@host`)."""
    whole = normal(name)
    return {whole, whole.partition("@")[0]} - {""}


def _holds(address: str, own: set[str]) -> bool:
    return any(_is_among(part, own) for part in SEGMENTS.split(unquote(address)))


def _is_among(name: str, own: set[str]) -> bool:
    said = normal(name)
    return said in own or said.removeprefix(OWN_PAGE) in own
