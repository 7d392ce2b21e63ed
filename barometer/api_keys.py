"""API keys: shown once when they are made, kept as digests, compared in constant time."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Scope = Literal["read", "write"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "write")
MARK: Final = "bk_"
"""What every key begins with, so that one that leaked is recognised."""
ENTRY: Final = re.compile(r"(?P<name>[\w.-]{1,64}):(?P<scopes>[a-z+]+):(?P<digest>[0-9a-f]{64})")


@dataclass(frozen=True)
class ApiKey:
    """Who holds a key and what it opens; of the key itself only its digest is known."""

    name: str
    scopes: frozenset[Scope]
    digest: str
    """SHA-256 of the key, hexadecimal. A key is 256 random bits: no slow hash is needed."""

    @classmethod
    def parse(cls, entry: str) -> "ApiKey":
        """Read `name:scope[+scope]:digest`.

        Raises:
            ValueError: it is written otherwise. The entry is not repeated: it may be a key.
        """
        found = ENTRY.fullmatch(entry)
        if found is None:
            raise ValueError(
                "each key is written name:scope:digest, as `barometer keys new` prints it"
            )
        asked = found["scopes"].split("+")
        scopes = frozenset(scope for scope in SCOPES if scope in asked)
        if len(scopes) < len(asked):
            raise ValueError(f"the scopes of a key are {' and '.join(SCOPES)}, joined by +")
        return cls(found["name"], scopes, found["digest"])

    @property
    def entry(self) -> str:
        """What the setting `BAROMETER_API_KEYS` holds."""
        return f"{self.name}:{'+'.join(s for s in SCOPES if s in self.scopes)}:{self.digest}"


def new_key(name: str, scopes: Iterable[Scope]) -> tuple[str, ApiKey]:
    """A fresh key, to be shown once, and what is kept of it.

    Raises:
        ValueError: the name holds more than letters, digits, dots, hyphens and underscores.
    """
    key = MARK + secrets.token_urlsafe(32)
    kept = ApiKey(name, frozenset(scopes), _digest(key))
    return key, ApiKey.parse(kept.entry)


def holder(keys: Sequence[ApiKey], presented: str) -> ApiKey | None:
    """Whose key this is; every entry is compared, in constant time, whichever matches."""
    digest = _digest(presented)
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
