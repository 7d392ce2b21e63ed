"""Where the daily check stands, and what it still has to delete from the stream."""

from typing import Final

from sqlalchemy import Engine

from barometer.broker import Broker
from barometer.errors import SourceError
from barometer.source_states import Taken, position_of, save_reading
from ingestion.reddit import in_stream
from ingestion.reddit.client import SOURCE

POSITION: Final = "(recheck)"
"""The key of the check's position; no event's slug has brackets."""


class CheckPlace:
    """How far the check has come, as it is saved."""

    def __init__(self, engine: Engine) -> None:
        saved = position_of(engine, SOURCE, POSITION)
        self.after = str(saved.get("after", ""))
        """The stored post that was checked last."""
        self.gone: set[str] = set(saved.get("gone", ()))
        """Posts that are gone at Reddit, and may still be in the stream."""
        self._fault: SourceError | None = None
        self._engine = engine

    def save(self) -> None:
        """Save it, so that the next check goes on there, whatever becomes of this one."""
        fault, position = self._fault, {"after": self.after, "gone": sorted(self.gone)}
        save_reading(
            self._engine, SOURCE, POSITION, position, taken=Taken(),
            error=str(fault) if fault else None, until=fault.until if fault else None,
        )  # fmt: skip

    def erase_gone(self, broker: Broker) -> int:
        """Delete what is gone from the stream and the dead letters; returns how many there were.

        Raises:
            BrokerError: the stream is away; what is gone stays noted.
        """
        erased = in_stream.erase(broker, self.gone) if self.gone else 0
        self.gone.clear()
        self.save()
        return erased

    def break_off(self, fault: SourceError, broker: Broker) -> None:
        """Note the fault; what was found before it is gone all the same.

        Raises:
            BrokerError: the stream is away; what is gone stays noted.
        """
        self._fault = fault
        self.save()
        self.erase_gone(broker)
