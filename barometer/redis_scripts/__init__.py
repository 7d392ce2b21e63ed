"""Lua scripts of the Redis stream: each is one atomic step, done whole or not at all.

A script that has written once is no longer refused for want of memory; so each writes first what
must not be missing: an entry before the mark that it was seen, a dead letter before the
acknowledgement. `…:waiting` counts what is neither acknowledged nor buried; Redis 6.2 cannot tell.
"""

from importlib import resources
from typing import Any


def script(redis: Any, name: str) -> Any:
    """The script of this name, to be called through this client."""
    return redis.register_script((resources.files(__name__) / f"{name}.lua").read_text())
