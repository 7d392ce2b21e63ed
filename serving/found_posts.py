"""Posts that an analysis has found go to the stream, so that they are stored like any other."""

from collections.abc import Sequence

import structlog

from barometer.errors import BrokerError, OverloadedError
from barometer.events import tracked, with_events
from barometer.forgotten import forgotten_among
from barometer.posts import Post
from barometer.terms import may_train
from serving.parts import Parts

log = structlog.get_logger()


def keep_found(parts: Parts, posts: Sequence[Post]) -> None:
    """Hand them over; without Redis they are not kept, and the log says so."""
    if parts.analyses.degraded:  # an answer does not wait for a Redis that is away
        log.warning("found posts are not kept", posts=len(posts), reason="redis is away")
        return
    events = tracked(parts.engine)
    try:
        parts.pressure.check()
        gone = forgotten_among(parts.engine, parts.broker.authors, posts)
        kept = [with_events(post, events) for post in posts if post.key not in gone]
        parts.broker.publish([_on_terms(post) for post in kept])
    except (BrokerError, OverloadedError) as error:
        log.warning("found posts are not kept", posts=len(posts), reason=str(error))


def _on_terms(post: Post) -> Post:
    return post.model_copy(update={"may_train": post.may_train and may_train(post.source)})
