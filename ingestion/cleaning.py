"""The door: raw items become posts, or are refused with a reason. The text itself is kept."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from barometer.errors import InputError
from barometer.posts import MAX_TEXT, Post
from barometer.text import model_input

MAX_METADATA = 4_096
"""Characters of a post's metadata as JSON."""


def clean(raw: Mapping[str, Any]) -> Post:
    """Make a post of a raw item.

    Raises:
        InputError: what makes it unusable, naming the field.
    """
    text = raw.get("text")
    if isinstance(text, str):
        check_text(text)
    optional = {key: value for key, value in raw.items() if value is not None}
    try:
        post = Post.model_validate(optional)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{field}: {first['msg']}", field) from error
    if len(str(post.metadata)) > MAX_METADATA:
        raise InputError(f"metadata: holds more than {MAX_METADATA:,} characters", "metadata")
    for field in ("id", "source", "author", "location", "url"):
        if _invisible(getattr(post, field) or ""):
            raise InputError(f"{field}: holds a control character", field)
    return post


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
    if _invisible(text):
        raise InputError("text: holds a control character or half a surrogate pair", "text")
    if not model_input(text):
        raise InputError("text: holds nothing that can be read", "text")


def _invisible(text: str) -> bool:
    """Whether `text` holds control characters (other than line breaks and tabs) or surrogates."""
    return any(
        unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\r\t"
        for character in text
    )
