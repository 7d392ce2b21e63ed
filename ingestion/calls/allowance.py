"""How much may be asked of a provider, counted over every process and restart."""

import asyncio
import math
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from barometer.bulk import insert_rows
from barometer.database import writing
from barometer.errors import SourceError
from barometer.tables import AllowanceRow

GRAINS: Final = 1_000
"""Parts of a period: what is taken within one counts from its end, so that a row stays small."""
PATIENCE_S: Final = 30.0
"""Longest that a call waits for its turn; beyond, the source is left alone until then."""
ALLOWANCES = AllowanceRow.__table__


class Allowance:
    """At most `most` of what is `counted` in any `period`, by all processes."""

    def __init__(
        self, engine: Engine, name: str, most: int, period: timedelta, *, counted: str = "calls"
    ) -> None:
        self._engine = engine
        self._name = name
        self._most = most
        self._period = period
        self._counted = counted

    def take(self, cost: int = 1) -> float:
        """Take `cost` if it is left; returns 0, or the seconds after which it will be.

        Raises:
            ValueError: more is asked for at once than there ever is.
        """
        if cost > self._most:
            raise ValueError(f"{cost} is more than the {self._most} of {self._name}")
        with Session(writing(self._engine)) as session, session.begin():
            row = self._row(session)
            now = time.time()  # only now is it this caller's turn: another may have held the row
            counting = self._counting(row, now)
            excess = sum(spent for _, spent in counting) + cost - self._most
            if excess <= 0:
                grain = self._grain_of(now)
                same = counting.pop()[1] if counting and counting[-1][0] == grain else 0
                counting.append([grain, same + cost])
            row.taken = counting
        if excess <= 0:
            return 0.0
        for at, spent in counting:
            excess -= spent
            if excess <= 0:
                return max(at + self._period.total_seconds() - now, 0.001)
        raise AssertionError("what counts is never less than the excess")

    def give_back(self, cost: int) -> None:
        """Count `cost` no longer: it was taken in advance and not used."""
        with Session(writing(self._engine)) as session, session.begin():
            row = self._row(session)
            counting = self._counting(row, time.time())
            kept: list[list[float]] = []
            for at, spent in reversed(counting):
                returned = min(spent, cost)
                cost -= int(returned)
                if spent > returned:
                    kept.append([at, spent - returned])
            row.taken = kept[::-1]

    async def acquire(self, cost: int = 1, *, patience_s: float = PATIENCE_S) -> None:
        """Take `cost`, waiting for it for `patience_s` at most.

        Raises:
            SourceError: it takes longer; says until when.
        """
        deadline = time.monotonic() + patience_s
        while wait := await asyncio.to_thread(self.take, cost):
            if time.monotonic() + wait > deadline:
                until = datetime.now(UTC) + timedelta(seconds=wait)
                raise SourceError(
                    f"{self._name}: the {self._most:,} {self._counted} that it allows in "
                    f"{_words(self._period)} are used up; it is left alone until "
                    f"{until:%Y-%m-%d %H:%M:%S} UTC.",
                    until=until,
                )
            await asyncio.sleep(wait)

    def left(self) -> int:
        """How much may be taken now."""
        with Session(self._engine) as session:
            row = session.get(AllowanceRow, self._name)
            counting = self._counting(row, time.time()) if row else []
        return max(self._most - int(sum(spent for _, spent in counting)), 0)

    def _counting(self, row: AllowanceRow, now: float) -> list[list[float]]:
        """What still counts. A moment ahead of now is another clock's, or was before it was set."""
        since, latest = now - self._period.total_seconds(), self._grain_of(now)
        return [[min(at, latest), spent] for at, spent in row.taken if at > since]

    def _grain_of(self, now: float) -> float:
        grain_s = self._period.total_seconds() / GRAINS
        return math.ceil(now / grain_s) * grain_s

    def _row(self, session: Session) -> AllowanceRow:
        """The row, which nobody else takes from until the transaction ends."""
        # Two that begin at once both find no row: the database lets one insert it.
        new = {"name": self._name, "taken": []}
        insert_rows(session.connection(), ALLOWANCES, [new], ("name",))
        held = select(AllowanceRow).where(AllowanceRow.name == self._name).with_for_update()
        return session.scalars(held).one()


def _words(period: timedelta) -> str:
    seconds = period.total_seconds()
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
