"""What a message of Jetstream tells: a new post on Bluesky, or something else."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeGuard

import orjson

from barometer.posts import Post

SOURCE: Final = "bluesky"
COLLECTION: Final = "app.bsky.feed.post"
EARLIEST: Final = timedelta(days=1)
"""How long before the server saw a post its author's clock may say that it was written."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
TIMES: Final = range(10**15, 10**16)
"""What can be a time in microseconds since 1970: from 2001 to 2286."""
DID: Final = re.compile(r"did:[a-z]+:[\w.:%-]{1,128}", re.ASCII)
RECORD_KEY: Final = re.compile(r"[\w.:~-]{1,64}", re.ASCII)
LANGUAGE: Final = re.compile(r"([a-z]{2,3})(?:-[a-z0-9]+)*", re.ASCII | re.IGNORECASE)


def parsed(content: bytes) -> dict[str, Any]:
    """The message, with a time.

    Raises:
        ValueError: it is no JSON, or has none.
    """
    message = orjson.loads(content)
    if type(message) is not dict or not is_time(message.get("time_us")):
        raise ValueError
    return message


def text_of(message: dict[str, Any]) -> str:
    """The text of a new post, empty for whatever else the message tells.

    Raises:
        KeyError: a part is missing.
        TypeError: a part is something else.
    """
    if message["kind"] != "commit":
        return ""
    commit = message["commit"]
    if commit["operation"] != "create" or commit["collection"] != COLLECTION:
        return ""
    text: str = commit["record"]["text"]
    return text


def post_of(message: dict[str, Any]) -> Post:
    """The post that the message brings.

    Raises:
        KeyError: a part is missing.
        ValueError: a part is not of the form that the protocol prescribes.
    """
    did, key, record = message["did"], message["commit"]["rkey"], message["commit"]["record"]
    if not (DID.fullmatch(did) and RECORD_KEY.fullmatch(key)):
        raise ValueError
    return Post(
        source=SOURCE,
        id=f"at://{did}/{COLLECTION}/{key}",
        text=record["text"],
        created_at=_written_at(record.get("createdAt"), moment(message["time_us"])),
        author=did,
        url=f"https://bsky.app/profile/{did}/post/{key}",
        language=_language(record.get("langs")),
    )


def _written_at(claimed: object, seen: datetime) -> datetime:
    """When the author's client says that it was written, if that can be; else when it was seen."""
    try:
        written = datetime.fromisoformat(claimed) if isinstance(claimed, str) else seen
    except ValueError:
        return seen
    is_plausible = written.tzinfo is not None and seen - EARLIEST <= written <= seen
    return written if is_plausible else seen


def _language(languages: object) -> str | None:
    """The language that the author's client names, if it names one."""
    if not isinstance(languages, list) or len(languages) != 1:
        return None
    named = LANGUAGE.fullmatch(languages[0]) if isinstance(languages[0], str) else None
    return named[1].lower() if named else None


def is_time(number: object) -> TypeGuard[int]:
    """Whether it is a time as the protocol tells it."""
    return type(number) is int and number in TIMES


def moment(microseconds: int) -> datetime:
    """A time of the protocol as ours."""
    return EPOCH + microseconds * MICROSECOND


def microseconds(when: datetime) -> int:
    """Our time as the protocol's."""
    return (when - EPOCH) // MICROSECOND
