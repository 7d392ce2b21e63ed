"""The rules of X's filtered stream, kept in step with the events that ask for it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import structlog
import tweepy

from barometer.events import Event
from ingestion.calls.answer import AnswerError
from ingestion.calls.library_call import answered
from ingestion.x.client import queries_of

log = structlog.get_logger()
TAG: Final = "barometer:"
"""How the tags of Barometer's rules begin, before an event's slug; other rules are left alone."""


class StreamRules:
    """The rules in force on one connection, and since when each is followed without a break."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._wanted: dict[str, str] | None = None
        self._since: dict[str, str | None] = {}

    async def renew(self, events: Sequence[Event]) -> None:
        """Change the rules if `events` need others than the last time.

        Raises:
            AnswerError: the API failed, or refused them all.
        """
        wanted = rules_of(events)
        if wanted != self._wanted:
            in_force = await answered(partial(keep_rules, self._client, wanted))
            self._since = {value: self._since.get(value) for value in in_force}
            self._wanted = wanted

    def followed(self, now: datetime) -> dict[str, list[str]]:
        """From when to when, as ISO 8601, the posts of each rule came; `now` is the end of all."""
        until = now.isoformat()
        self._since = {value: since or until for value, since in self._since.items()}
        return {value: [since or until, until] for value, since in self._since.items()}


def rules_of(events: Sequence[Event]) -> dict[str, str]:
    """The rules that `events` need, as their tags by their values.

    A rule has one tag, so one that several events need has the first one's.
    """
    rules: dict[str, str] = {}
    for event in events:
        for query in queries_of(event.keywords):
            rules.setdefault(query, TAG + event.slug)
    return rules


def slugs_of(matching: Sequence[Any], events: Sequence[Event]) -> tuple[str, ...]:
    """Which of `events` the rules that matched a post were made for."""
    tags = {str(rule.tag) for rule in matching}
    return tuple(event.slug for event in events if TAG + event.slug in tags)


def keep_rules(client: Any, wanted: Mapping[str, str]) -> list[str]:
    """Make the stream's rules those of `wanted`; returns the values that are in force.

    Deletes first: a plan allows a number of them. Blocks: call it in a thread.

    Raises:
        AnswerError: the API failed, or refused them all.
    """
    present = client.get_rules().data or []
    own = [rule for rule in present if (rule.tag or "").startswith(TAG)]
    stale = [rule.id for rule in own if wanted.get(rule.value) != rule.tag]
    if stale:
        client.delete_rules(stale)
    kept = {rule.value for rule in present if rule.id not in stale}
    missing = [
        tweepy.StreamRule(value=value, tag=tag)
        for value, tag in wanted.items()
        if value not in kept
    ]
    if missing:
        answer = client.add_rules(missing)
        added = {rule.value for rule in answer.data or ()}
        refused = [rule for rule in missing if rule.value not in added]
        kept |= added
        if refused:  # the polled search still finds their posts
            log.warning("x refused rules of its stream", rules=len(refused), of=len(wanted))
    in_force = [value for value in wanted if value in kept]
    if wanted and not in_force:
        raise AnswerError("refused every rule of its stream")
    return in_force
