"""Posts as brokers carry them: JSON, and back with what is wrong with it."""

import json

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from barometer.posts import Post
from barometer.repeats import NO_EVENT

_SLUGS = TypeAdapter(tuple[str, ...])


def packed(post: Post) -> str:
    """A post's JSON without its events; any text comes through, readable or not."""
    try:
        return post.model_dump_json(exclude={"events"})
    except PydanticSerializationError:  # half a surrogate pair: JSON can escape it, UTF-8 cannot
        return json.dumps(post.model_dump(exclude={"events"}), default=str)


def unpacked(post: bytes | None, events: bytes | None) -> tuple[Post | None, str]:
    """The post, or None and the reason, which quotes nothing of it.

    `events` is a JSON list of slugs.
    """
    if post is None or events is None:
        return None, f"the entry has no field {'post' if post is None else 'events'}"
    try:
        read = Post.model_validate_json(post)
    except ValidationError as error:
        return None, _said("post", error)
    try:
        slugs = _SLUGS.validate_json(events)
    except ValidationError as error:
        return None, _said("events", error)
    return read.model_copy(update={"events": tuple(s for s in slugs if s != NO_EVENT)}), ""


def _said(name: str, error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join([name, *map(str, first['loc'])])}: {first['msg']}"
