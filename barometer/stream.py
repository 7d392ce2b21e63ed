"""The stream between ingestion and scorers: Redis Streams, at-least-once, dead letters.

"Seen" and the stream entry are one atomic step, so a post that was answered 202 is in the stream
and a repeat is not. An entry is acknowledged only by the caller that has stored it.
"""

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import orjson
from pydantic import ValidationError
from redis import Redis
from redis.exceptions import ResponseError

from barometer.posts import Post
from barometer.text import fingerprint

STREAM: Final = "barometer:posts"
GROUP: Final = "scorers"
DEAD: Final = "barometer:posts:dead"
SEEN_ID_S: Final = 7 * 24 * 3600
"""As long as the stream keeps entries; after it the database's unique key still holds."""
SEEN_TEXT_S: Final = 26 * 3600
"""A text repeats within its hour; a day more allows for posts that arrive late."""
NO_EVENT: Final = ""
MOST_COUNTED: Final = 10_000
CHUNK: Final = 200
"""Posts a call of the publishing script, which blocks Redis while it runs."""


@dataclass(frozen=True)
class Entry:
    """One delivered stream entry; `post` is None when its content cannot be read."""

    id: str
    post: Post | None
    fields: dict[str, str]


def _script(name: str) -> str:
    return (resources.files("barometer") / f"{name}.lua").read_text()


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\x00".join(parts).encode(), digest_size=16).hexdigest()


class PostStream:
    """The posts on their way to the scorers."""

    def __init__(self, redis: Redis) -> None:
        # The library's types leave open what decode_responses settles: texts, never bytes.
        self._redis: Any = redis
        self._publish = redis.register_script(_script("publish"))
        self._undelivered = redis.register_script(_script("undelivered"))

    def publish(self, posts: Sequence[Post]) -> list[bool]:
        """Append what was not seen before; says for each post whether it was new.

        A post repeats by (source, id), or by its text within an event and hour. A known post that
        turns up for another event is new for that event.
        """
        new: list[bool] = []
        for start in range(0, len(posts), CHUNK):
            items = [_item(post) for post in posts[start : start + CHUNK]]
            counts = self._publish(
                keys=[STREAM], args=[orjson.dumps(items), SEEN_ID_S, SEEN_TEXT_S]
            )
            new += [int(count) > 0 for count in counts]
        return new

    def ensure_group(self) -> None:
        """Make the scorers' group, from the stream's first entry on."""
        with contextlib.suppress(ResponseError):  # BUSYGROUP: another worker was first
            self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)

    def read(self, consumer: str, count: int, block_ms: int) -> list[Entry]:
        """New entries for `consumer`; waits up to `block_ms` for the first."""
        answer = self._redis.xreadgroup(GROUP, consumer, {STREAM: ">"}, count, block_ms)
        return [_entry(*item) for _, items in answer or [] for item in items]

    def own_pending(self, consumer: str, count: int) -> list[Entry]:
        """Entries that this consumer took before it stopped, and never acknowledged."""
        answer = self._redis.xreadgroup(GROUP, consumer, {STREAM: "0"}, count)
        return [_entry(*item) for _, items in answer or [] for item in items if item[1]]

    def claim(self, consumer: str, idle_ms: int, count: int) -> list[Entry]:
        """Take over entries that another consumer has held for `idle_ms`."""
        answer = self._redis.xautoclaim(STREAM, GROUP, consumer, idle_ms, "0-0", count)
        return [_entry(*item) for item in answer[1] if item[1]]

    def deliveries(self, ids: Sequence[str]) -> dict[str, int]:
        """How often each pending entry has been delivered."""
        counts: dict[str, int] = {}
        for entry_id in ids:
            for item in self._redis.xpending_range(STREAM, GROUP, entry_id, entry_id, 1):
                counts[item["message_id"]] = int(item["times_delivered"])
        return counts

    def acknowledge(self, ids: Sequence[str]) -> None:
        """Say that these entries are stored."""
        if ids:
            self._redis.xack(STREAM, GROUP, *ids)

    def bury(self, entry: Entry, reason: str) -> None:
        """Move an entry to the dead letters with its reason, in one step."""
        with self._redis.pipeline(transaction=True) as steps:
            steps.xadd(DEAD, {**entry.fields, "reason": reason[:500], "entry": entry.id})
            steps.xack(STREAM, GROUP, entry.id)
            steps.execute()

    def dead_letters(self, count: int) -> list[tuple[str, dict[str, str]]]:
        """The oldest dead letters: id and fields, of which `reason` says why."""
        return list(self._redis.xrange(DEAD, count=count))

    def revive(self, letter_id: str, fields: dict[str, str]) -> None:
        """Put a dead letter back into the stream, in one step."""
        again = {name: fields[name] for name in ("post", "events") if name in fields}
        with self._redis.pipeline(transaction=True) as steps:
            steps.xadd(STREAM, again)
            steps.xdel(DEAD, letter_id)
            steps.execute()

    def backlog(self) -> int:
        """Entries that no scorer has acknowledged yet; past `MOST_COUNTED`, at least so many."""
        try:
            groups = self._redis.xinfo_groups(STREAM)
        except ResponseError:  # the stream does not exist yet
            return 0
        for group in groups:
            if group["name"] == GROUP:
                lag = group.get("lag")  # Redis 7; unknown to it after a deletion
                if lag is None:
                    last = group["last-delivered-id"]
                    lag = self._undelivered(keys=[STREAM], args=[last, MOST_COUNTED])
                return int(group["pending"]) + int(lag)
        return int(self._redis.xlen(STREAM))

    def trim(self, keep_ms: int, now_ms: int) -> int:
        """Drop entries older than `keep_ms`, never one that is not acknowledged."""
        group = next((g for g in self._redis.xinfo_groups(STREAM) if g["name"] == GROUP), None)
        if group is None:
            return 0
        oldest = self._redis.xpending(STREAM, GROUP)["min"] or group["last-delivered-id"]
        bound = min(now_ms - keep_ms, int(oldest.split("-")[0]))
        return int(self._redis.xtrim(STREAM, minid=f"{max(bound, 0)}-0", approximate=True))


def _item(post: Post) -> dict[str, Any]:
    hour = (post.told_at or post.created_at).strftime("%Y%m%d%H")
    # A text without words, or without an event to repeat within, repeats nothing but its own post.
    own = f"{post.source}\x00{post.id}"
    keys = []
    for event in post.events or (NO_EVENT,):
        words = fingerprint(post.text) if event != NO_EVENT else ""
        by_id = _digest(event, post.source, post.id)
        by_text = _digest(event, hour, str(post.showing), words or own)
        keys.append([event, f"barometer:seen:id:{by_id}", f"barometer:seen:text:{by_text}"])
    return {"post": post.model_dump_json(exclude={"events"}), "events": keys}


def _entry(entry_id: str, fields: dict[str, str]) -> Entry:
    try:
        post = Post.model_validate_json(fields["post"])
        events = tuple(slug for slug in orjson.loads(fields["events"]) if slug != NO_EVENT)
        return Entry(entry_id, post.model_copy(update={"events": events}), fields)
    except (KeyError, TypeError, ValueError, ValidationError):
        return Entry(entry_id, None, fields)
