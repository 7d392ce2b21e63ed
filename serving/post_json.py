"""A classified post as the API and live clients see it."""

from typing import Any

from barometer.posts import Judgement, Post
from barometer.tables import PostRow


def scored_message(post: Post, judgement: Judgement) -> dict[str, Any]:
    """The live message about a post that was just scored."""
    score = judgement.sentiment_score
    content = {
        "source": post.source,
        "id": post.id,
        "text": post.text,
        "created_at": post.created_at.isoformat(),
        "location": post.location,
        "url": post.url,
        "events": list(post.events),
        "sentiment_score": None if score is None else round(score, 6),
        **judgement.model_dump(),
    }
    return {"type": "scored", "post": content}


def row_json(row: PostRow, events: list[str]) -> dict[str, Any]:
    """A stored post."""
    return {
        "source": row.source,
        "id": row.external_id,
        "text": row.text,
        "created_at": row.created_at.isoformat(),
        "location": row.location,
        "url": row.url,
        "events": events,
        "emotion": row.emotion,
        "confidence": row.confidence,
        "emotions": row.emotions,
        "sentiment": row.sentiment,
        "sentiment_confidence": row.sentiment_confidence,
        "sentiments": row.sentiments,
        "sentiment_score": row.sentiment_score,
        "model_version": row.model_version,
    }
