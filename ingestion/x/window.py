"""Where the search of X for one query stands: what was read, and what a reading left open.

The search answers newest first. What lies between two readings is a window that is closed from its
newest end, page by page; it stays open over a fault, a used-up allowance and a restart, so no post
is paid for twice and none is passed over.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from ingestion.x.posts import id_at, moment_of

REACH: Final = timedelta(days=7) - timedelta(hours=1)
"""How far back the recent search knows posts, with an hour to spare."""
SETTLED: Final = timedelta(seconds=60)
"""Age at which a post can surely be found."""
LATE: Final = timedelta(seconds=30)
"""How late the stream may bring a post, clocks that differ included."""


class XWindow:
    """A view of one query's part of a position, which it changes in place."""

    def __init__(self, place: dict[str, Any], now: datetime) -> None:
        self._place = place
        self._now = now
        self.is_first = "since_id" not in place
        """Whether nothing was read before: then the newest page is all that is taken."""
        until = place.get("until_id")
        if until and moment_of(until) < now - REACH:
            self._close()

    @property
    def bounds(self) -> dict[str, Any]:
        """What to ask the search for."""
        since = self._place.get("since_id")
        if since is None:
            return {}
        until = self._place.get("until_id")
        ends = {"until_id": until} if until else {}
        oldest = self._now - REACH
        if moment_of(since) <= oldest:  # the search refuses an id of which it knows nothing
            return {"start_time": oldest, **ends}
        return {"since_id": since, **ends}

    def skip_followed(self, span: list[str] | None) -> bool:
        """Move past what the stream brought; says whether it is still bringing all there is.

        `span` is from when to when the stream followed the query without a break, as ISO 8601.
        """
        if span is None or self.is_first or "until_id" in self._place:
            return False
        begins, ends = (datetime.fromisoformat(moment) for moment in span)
        if moment_of(self._place["since_id"]) < begins + LATE:
            return False
        followed = id_at(ends - LATE)
        self._place["since_id"] = str(max(followed, int(self._place["since_id"])))
        return ends > self._now - SETTLED

    def turn_page(self, ids: list[int], *, more: bool) -> bool:
        """Note that a whole page was taken; says whether there is an older one."""
        if ids:
            newest = max([*ids, int(self._place.get("newest_id", 0))])
            self._place["newest_id"] = str(newest)
            self._place["until_id"] = str(min(ids))
        if more and not self.is_first:
            return True
        self._close()
        return False

    def _close(self) -> None:
        place = self._place
        known = place.pop("newest_id", None) or place.get("since_id")
        place["since_id"] = known or str(id_at(self._now - SETTLED))
        place.pop("until_id", None)
