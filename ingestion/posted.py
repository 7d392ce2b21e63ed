"""Take posts that programs send over HTTP."""

from collections.abc import Sequence

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from barometer.broker import Broker
from barometer.errors import InputError
from barometer.events import tracked, with_events
from barometer.forgotten import REFUSAL, forgotten_among
from barometer.posts import Post
from barometer.source_states import Taken, save_reading
from barometer.terms import may_train
from ingestion.cleaning import clean_posted

log = structlog.get_logger()


def publish_posted(
    raw_posts: Sequence[dict[str, object]],
    broker: Broker,
    engine: Engine,
    *,
    through: str = "http",
) -> tuple[int, int, list[dict[str, object]]]:
    """Take posts that were sent over HTTP: (accepted, duplicates, rejected with index and reason).

    Accepted means that the stream has them. They are counted for the source `through`: `http`, or
    the name of the webhook that signed.
    """
    events = tracked(engine)
    read: list[tuple[int, Post]] = []
    rejected: list[dict[str, object]] = []
    for index, raw in enumerate(raw_posts):
        try:
            post = clean_posted(raw)
        except InputError as error:
            rejected.append({"index": index, "reason": str(error)})
            continue
        allowed = post.model_copy(update={"may_train": may_train(post.source)})
        read.append((index, with_events(allowed, events)))
    gone = forgotten_among(engine, broker.authors, [post for _, post in read])
    rejected += [{"index": i, "reason": REFUSAL} for i, post in read if post.key in gone]
    rejected.sort(key=lambda each: int(str(each["index"])))
    posts = [post for _, post in read if post.key not in gone]
    new = broker.publish(posts)
    newest = max(
        (p.created_at for p, is_new in zip(posts, new, strict=True) if is_new), default=None
    )
    try:
        save_reading(engine, through, "", {}, taken=Taken(sum(new), newest))
    except SQLAlchemyError as error:
        # Bookkeeping: the stream has the posts, and that is the answer.
        log.warning("posted items are not counted", reason=type(error).__name__)
    return sum(new), len(new) - sum(new), rejected
