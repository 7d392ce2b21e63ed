"""Posts of Reddit in the stream and among the dead letters: which there are, and their end."""

from collections.abc import Collection

import orjson

from barometer.broker import Broker
from ingestion.reddit.client import SOURCE


def names_in(broker: Broker) -> set[str]:
    """The ids of all that can be deleted from there.

    Raises:
        BrokerError: the stream is away.
    """
    found: set[str] = set()

    def note(post: bytes) -> bool:
        if name := _name_of(post):
            found.add(name)
        return False

    broker.erase(note, only_count=True)
    return found


def erase(broker: Broker, names: Collection[str]) -> int:
    """Delete the entries and dead letters that hold these; returns how many there were.

    Raises:
        BrokerError: the stream is away.
    """
    erased = broker.erase(lambda post: _name_of(post) in names)
    return (erased.entries or 0) + erased.letters


def _name_of(post: bytes) -> str | None:
    """The id in a post's JSON, if it is Reddit's and can be read."""
    if f'"{SOURCE}"'.encode() not in post:  # most are of other places: they need no reading
        return None
    try:
        read = orjson.loads(post)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(read, dict) or read.get("source") != SOURCE:
        return None
    name = read.get("id")
    return name if isinstance(name, str) else None
