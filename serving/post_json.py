"""A classified post as the API and live clients see it."""

from typing import Any

from barometer.posts import Judgement, Post
from barometer.tables import PostRow


def scored_message(post: Post, judgement: Judgement, *, repost: bool = False) -> dict[str, Any]:
    """The live message about a post that was just scored; `repost`: its text was there before."""
    score = judgement.sentiment_score
    content = {
        "source": post.source,
        "id": post.id,
        "text": post.text,
        "created_at": post.created_at.isoformat(),
        "location": post.location,
        "language": post.language,
        "url": post.url,
        "events": list(post.events),
        "reposts": 0,
        "repost": repost,
        "may_train": post.may_train,
        "sentiment_score": None if score is None else round(score, 6),
        **judgement.model_dump(),
    }
    return {"type": "scored", "post": content}


def row_json(row: PostRow, events: list[str], reposts: int) -> dict[str, Any]:
    """A stored post, the events that it belongs to, and how many posts repeat its text."""
    return {
        "source": row.source,
        "id": row.external_id,
        "text": row.text,
        "created_at": row.created_at.isoformat(),
        "location": row.location,
        "language": row.language,
        "url": row.url,
        "events": events,
        "reposts": reposts,
        "repost": False,
        "may_train": row.may_train,
        "emotion": row.emotion,
        "confidence": row.confidence,
        "emotions": row.emotions,
        "sentiment": row.sentiment,
        "sentiment_confidence": row.sentiment_confidence,
        "sentiments": row.sentiments,
        "sentiment_score": row.sentiment_score,
        "model_version": row.model_version,
    }
