"""From what Hacker News' search finds to posts."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from barometer.posts import Post
from ingestion.markup import joined, plain_text

SOURCE: Final = "hackernews"
MAX_TEXT: Final = 5_000
"""Characters of a post's text: comments are long, and a model reads the beginning."""


class Hit(BaseModel):
    """A comment or story; of a comment, `title` is null, of a story `comment_text`."""

    id: Annotated[str, Field(alias="objectID", pattern=r"^[0-9]{1,18}$")]
    created_at_i: Annotated[int, Field(ge=0, lt=2**33)]
    """When it was written, in Unix seconds."""
    author: str | None = None
    title: str | None = None
    story_text: str | None = None
    comment_text: str | None = None
    story_title: str | None = None


class Found(BaseModel):
    """One page of a search, newest first."""

    hits: list[Any]
    in_all: Annotated[int, Field(alias="nbHits", ge=0)]
    """How many there are, beyond what pages can be asked for too."""
    pages: Annotated[int, Field(alias="nbPages", ge=0)]


def post_of(hit: Hit) -> Post | None:
    """The hit as a post, or None when it has no text."""
    is_comment = bool(hit.comment_text)
    text = plain_text(hit.comment_text or hit.story_text or "", MAX_TEXT)
    if not is_comment:
        text = joined(plain_text(hit.title or "", MAX_TEXT), text, MAX_TEXT)
    if not text:
        return None
    about = {"story": plain_text(hit.story_title or "", 200)} if is_comment else {}
    return Post(
        source=SOURCE,
        id=hit.id,
        text=text,
        created_at=datetime.fromtimestamp(hit.created_at_i, UTC),
        author=plain_text(hit.author or "", 256) or None,
        url=f"https://news.ycombinator.com/item?id={hit.id}",
        metadata={"kind": "comment" if is_comment else "story", **about},
    )
