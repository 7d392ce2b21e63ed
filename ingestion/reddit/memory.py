"""Which submissions and comments were taken: the newest by name, older ones by their time."""

from bisect import insort
from typing import Any, Final

MEMORY: Final = 300
"""Names that are remembered: three of Reddit's pages, so that what one page shows again is known
even when newer posts of it were deleted meanwhile."""

Mark = tuple[float, str]
"""When something was written (Unix time), and its fullname."""


class Taken:
    """What was taken of one listing; lives in the part of the position that it is given."""

    def __init__(self, position: dict[str, Any], of: str) -> None:
        """`of` names the listing; a position that is of another one begins anew."""
        if position.get("of") != of:
            position.clear()
            position["of"] = of
        self._position = position
        self._marks = [(float(at), str(name)) for at, name in position.get("taken", [])]
        self._names = {name for _, name in self._marks}
        passed = position.get("passed")
        self._passed: Mark | None = (float(passed[0]), str(passed[1])) if passed else None

    @property
    def newest(self) -> str | None:
        """The fullname of the newest that was taken."""
        return self._marks[-1][1] if self._marks else None

    def has(self, mark: Mark) -> bool:
        """Whether it was taken, or is older than all that is remembered."""
        return mark[1] in self._names or (self._passed is not None and mark <= self._passed)

    def take(self, mark: Mark) -> None:
        """Remember it; call this once it is in safe hands."""
        if self.has(mark):
            return
        insort(self._marks, mark)
        self._names.add(mark[1])
        if len(self._marks) > MEMORY:
            self._passed = self._marks.pop(0)
            self._names.discard(self._passed[1])
            self._position["passed"] = list(self._passed)
        self._position["taken"] = [list(each) for each in self._marks]
