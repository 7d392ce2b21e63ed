"""From a status of Mastodon to a post."""

import hashlib
import html
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, Field

from barometer.posts import Post
from ingestion.markup import joined, plain_text

SOURCE: Final = "mastodon"
MAX_TEXT: Final = 5_000
"""Characters of a post's text; most servers allow 500, some much more."""
MAX_ID: Final = 200
FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""No status was written before."""

_WEB_ADDRESS: Final = re.compile(
    r"https?://[^\s<>\"\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,2000}", re.IGNORECASE
)
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?=$|[-_])", re.IGNORECASE)


class Account(BaseModel):
    """Who wrote it: `name` on its own server, `name@domain` elsewhere."""

    acct: Annotated[str, Field(min_length=1)]


class Status(BaseModel):
    """One status, as far as it is used here."""

    id: Annotated[str, Field(pattern=r"^[!-~]{1,100}$")]
    """Its number on the server that was asked."""
    uri: Annotated[str, Field(min_length=1)]
    """Its name everywhere."""
    url: str | None = None
    created_at: Annotated[AwareDatetime, Field(gt=FIRST)]
    account: Account
    content: str
    """As HTML."""
    spoiler_text: str = ""
    """A warning or subject above it, as plain text."""
    sensitive: bool = False
    visibility: str
    reblog: Any = None
    """The status that this one passes on, if it is a boost."""
    language: str | None = None


def post_of(status: Status, server: str) -> Post | None:
    """The status as a post; None for boosts, for what is not public, and without text."""
    if status.reblog is not None or status.visibility != "public":
        return None
    warning = plain_text(html.escape(status.spoiler_text), MAX_TEXT)
    text = joined(warning, plain_text(status.content, MAX_TEXT), MAX_TEXT)
    if not text:
        return None
    address = status.url or status.uri
    return Post(
        source=SOURCE,
        id=_id(status.uri),
        text=text,
        created_at=min(status.created_at, datetime.now(UTC)),
        author=_author(status.account.acct, server),
        url=address if _WEB_ADDRESS.fullmatch(address) else None,
        language=_language(status.language),
        metadata={"server": server, **({"sensitive": True} if status.sensitive else {})},
    )


def _id(uri: str) -> str:
    uri = plain_text(uri, 20_000)
    return uri if 0 < len(uri) <= MAX_ID else hashlib.sha256(uri.encode()).hexdigest()


def _author(acct: str, server: str) -> str | None:
    name = plain_text(acct, 200)
    return (name if "@" in name else f"{name}@{server}")[:256] if name else None


def _language(told: str | None) -> str | None:
    code = _LANGUAGE.match(told or "")
    return code[0].lower() if code else None
