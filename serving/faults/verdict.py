"""The verdict: sets of ids are compared, what was promised with what is there."""

from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, select

from barometer.rollups import EVERY_POST
from barometer.tables import PostEventRow, PostRow, RollupRow
from serving.faults.plan import POISON, Key

SHOWN: Final = 20
"""Keys of each kind that a verdict names."""


@dataclass(frozen=True)
class Verdict:
    """What became of the accepted posts."""

    accepted: int
    stored: int
    """Of the accepted ones."""
    dead: int
    """Of the accepted ones, those that lie among the dead letters."""
    innocent: list[Key]
    """Of the dead ones, those that the database would have taken."""
    lost: list[Key]
    """Accepted, and neither stored nor dead-lettered."""
    twice: list[Key]
    """With more than one row."""
    stored_and_dead: list[Key]
    """Dead-lettered although they are stored."""
    never_accepted: list[Key]
    """Stored or dead-lettered, though no 202 counted them."""
    counted_wrong: dict[int, int]
    """By event id (0: every post): posts in its rollups less rows."""

    @property
    def good(self) -> bool:
        """Nothing lost, nothing twice."""
        wrong = self.lost, self.twice, self.stored_and_dead, self.never_accepted
        return not any(wrong) and not self.counted_wrong

    def summary(self) -> dict[str, Any]:
        """The figures, and the first keys of what is wrong."""
        wrong = {
            name: getattr(self, name)
            for name in ("lost", "twice", "stored_and_dead", "never_accepted")
        }
        return {
            "accepted": self.accepted,
            "stored": self.stored,
            "dead_lettered": self.dead,
            "innocent": len(self.innocent),
            **{name: len(keys) for name, keys in wrong.items()},
            "counted_wrong": {str(event): off for event, off in self.counted_wrong.items()},
            "good": self.good,
            "keys": {
                name: [list(key) for key in keys[:SHOWN]]
                for name, keys in {**wrong, "innocent": self.innocent}.items()
            },
        }


def judge(engine: Engine, accepted: AbstractSet[Key], dead: AbstractSet[Key]) -> Verdict:
    """Compare what was accepted with the rows, the dead letters and the rollups."""
    with engine.connect() as connection:
        rows = Counter(
            (row.source, row.external_id)
            for row in connection.execute(select(PostRow.source, PostRow.external_id))
        )
        there = _by_event(connection, PostEventRow.event_id, func.count())
        counted = _by_event(connection, RollupRow.event_id, func.sum(RollupRow.posts))
    there[EVERY_POST] = rows.total()
    counted.subtract(there)
    stored = rows.keys()
    return Verdict(
        accepted=len(accepted),
        stored=len(accepted & stored),
        dead=len(accepted & dead),
        innocent=sorted(key for key in accepted & dead if not key[1].startswith(POISON)),
        lost=sorted(accepted - stored - dead),
        twice=sorted(key for key, count in rows.items() if count > 1),
        stored_and_dead=sorted(dead & stored),
        never_accepted=sorted((stored | dead) - accepted),
        counted_wrong={event: count for event, count in counted.items() if count},
    )


def _by_event(connection: Connection, event: Any, figure: Any) -> Counter[int]:
    found = connection.execute(select(event, figure).group_by(event))
    return Counter({number: int(value) for number, value in found})
