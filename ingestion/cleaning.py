"""The door: raw items become posts, or are refused with a reason. The text itself is kept."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from pydantic import ValidationError
from pydantic_core import from_json

from barometer.errors import InputError
from barometer.language import detect, known_code
from barometer.posts import MAX_TEXT, Post
from barometer.text import model_input

MAX_METADATA: Final = 4_096
"""Bytes of a post's metadata as JSON."""
EARLY: Final = timedelta(days=1)
"""A clock may be wrong; a post from further ahead would stay on top of every feed for ever."""
POSTED: Final = (
    "source", "id", "text", "created_at", "author", "location", "language", "metadata",
)  # fmt: skip
"""The fields that a program may send; what Barometer itself derives is not among them."""
# Control characters other than tab and line breaks, and halves of surrogate pairs.
UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
LETTER: Final = re.compile(r"\w")


def clean(raw: Mapping[str, Any]) -> Post:
    """Make a post of a raw item; its language is the one that the source tells, else detected.

    Raises:
        InputError: what makes it unusable, naming the field.
    """
    text = raw.get("text")
    if isinstance(text, str):
        check_text(text)
    optional = {key: value for key, value in raw.items() if value is not None}
    told = optional.pop("language", None)  # a wrong one refuses no post
    try:
        post = Post.model_validate(optional)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{field}: {first['msg']}", field) from error
    if post.created_at > datetime.now(UTC) + EARLY:
        raise InputError("created_at: lies more than a day ahead", "created_at")
    for field in ("id", "source", "author", "location", "url"):
        if UNPRINTABLE.search(getattr(post, field) or ""):
            raise InputError(f"{field}: holds a control character", field)
    _check_metadata(post.metadata)
    language = known_code(told) if isinstance(told, str) else None
    return post.model_copy(update={"language": language or detect(post.text)})


def clean_posted(raw: Mapping[str, Any]) -> Post:
    """`clean` for an item that a program sent: other fields than the contract's are left out."""
    return clean({name: raw[name] for name in POSTED if name in raw})


def clean_found(posts: Iterable[Post]) -> tuple[list[Post], list[InputError]]:
    """`clean` for posts that a source found: what passes, and why the others were refused."""
    passed: list[Post] = []
    refused: list[InputError] = []
    for post in posts:
        try:
            passed.append(clean(dict(post)))
        except InputError as error:
            refused.append(error)
    return passed, refused


def check_text(text: str) -> None:
    """Refuse a text that nothing can be read from.

    Raises:
        InputError: it is empty, too long, or holds control characters.
    """
    if not text.strip():
        raise InputError("text: is empty", "text")
    if len(text) > MAX_TEXT:
        raise InputError(
            f"text: has {len(text):,} characters, at most {MAX_TEXT:,} are taken", "text"
        )
    if UNPRINTABLE.search(text):
        raise InputError("text: holds a control character or half a surrogate pair", "text")
    if not LETTER.search(text) and not model_input(text):
        raise InputError("text: holds nothing that can be read", "text")


def _check_metadata(metadata: dict[str, Any]) -> None:
    try:
        content = orjson.dumps(metadata)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise InputError(f"metadata: is no plain JSON ({error})", "metadata") from error
    if len(content) > MAX_METADATA:
        raise InputError(f"metadata: holds more than {MAX_METADATA:,} bytes", "metadata")
    try:
        from_json(b'{"metadata":' + content + b"}")
    except ValueError as error:  # the stream could carry it, but nobody could read it there
        raise InputError("metadata: is nested too deeply", "metadata") from error
    if b"\\u0000" in content:  # PostgreSQL stores no NUL
        raise InputError("metadata: holds a control character", "metadata")
