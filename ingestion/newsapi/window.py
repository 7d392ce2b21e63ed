"""Where the search for one query stands: what was read, and what a reading left open.

The search answers newest first, and the free plan refuses a second page. So a page is followed by
the articles up to its oldest, and what lies between two readings is a window that is closed from
its newest end. It stays open over a fault, an allowance that is used up, and a restart.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from barometer.posts import Post

OVERLAP: Final = timedelta(hours=1)
"""How far behind the newest known article a search begins: some are listed late."""
REACH: Final = timedelta(days=29)
"""How far back is asked; the free plan allows a month."""


class NewsWindow:
    """A view of one query's part of a position, which it changes in place."""

    def __init__(self, place: dict[str, Any], now: datetime) -> None:
        self._place = place
        since = _moment(place.get("since"))
        self.is_first = since is None
        """Whether nothing was read before: then the newest page is all that is taken."""
        self.begins = max(now - REACH, since - OVERLAP) if since else now - REACH
        if (until := self.until) and until <= self.begins:
            self._close()

    @property
    def until(self) -> datetime | None:
        """The newest article to ask for, when a reading left older ones open."""
        return _moment(self._place.get("until"))

    def has_seen(self, post: Post) -> bool:
        """Whether it was taken before."""
        return post.id in self._place.get("seen", {})

    def take(self, post: Post) -> None:
        """Note that the caller has it."""
        self._place.setdefault("seen", {})[post.id] = post.created_at.isoformat()

    def turn_page(self, posts: Sequence[Post], *, more: bool) -> bool:
        """Note that `posts`, a whole page, were taken; says whether there is an older one."""
        moments = [post.created_at for post in posts]
        if moments:
            newest = max([*moments, *filter(None, [_moment(self._place.get("newest"))])])
            self._place["newest"] = newest.isoformat()
        if not moments or not more or self.is_first:
            self._close()
            return False
        until = self.until
        oldest = min(moments).replace(microsecond=0)
        if until and oldest >= until:  # a whole page of one second: there is no way into it
            oldest = until - timedelta(seconds=1)
        self._place["until"] = oldest.isoformat()
        return True

    def _close(self) -> None:
        place = self._place
        place["since"] = place.pop("newest", None) or place.get("since") or self.begins.isoformat()
        place.pop("until", None)
        kept = datetime.fromisoformat(place["since"]) - OVERLAP
        seen = place.get("seen", {})
        place["seen"] = {i: at for i, at in seen.items() if datetime.fromisoformat(at) >= kept}


def _moment(saved: str | None) -> datetime | None:
    return datetime.fromisoformat(saved).astimezone(UTC) if saved else None
