"""Back-pressure: while too many posts wait for the scorers, the doors take no more."""

import asyncio
import contextlib
import time
from typing import Final

import structlog

from barometer.broker import Broker
from barometer.errors import BrokerError, OverloadedError

log = structlog.get_logger()
LOOK_HOLDS_S: Final = 0.1
"""A look at the backlog serves all that ask within this time."""
ASK_AGAIN_S: Final = 1.0
RETRY_AFTER_S: Final = 10


class Pressure:
    """Whether more posts wait than a bound; shared by all that publish in a process."""

    def __init__(self, broker: Broker, most: int) -> None:
        """`most` posts may wait (`STREAM_HIGH_WATER`)."""
        self._broker = broker
        self._most = most
        self._looked_at = -LOOK_HOLDS_S
        self._backlog = 0

    def is_high(self) -> bool:
        """Whether too many posts wait.

        Raises:
            BrokerError: the stream is away.
        """
        if time.monotonic() - self._looked_at >= LOOK_HOLDS_S:
            self._backlog = self._broker.backlog()
            self._looked_at = time.monotonic()
        return self._backlog > self._most

    def check(self) -> None:
        """Let a caller go on only while there is room.

        Raises:
            OverloadedError: too many posts wait.
            BrokerError: the stream is away.
        """
        if self.is_high():
            raise OverloadedError(
                f"{self._backlog:,} posts wait for the scorers, over {self._most:,} "
                "(BAROMETER_STREAM_HIGH_WATER): send these again later.",
                RETRY_AFTER_S,
            )

    async def wait(self) -> None:
        """Wait until there is room; a stream that is away is the publisher's matter."""
        waited = False
        with contextlib.suppress(BrokerError):
            while await asyncio.to_thread(self.is_high):
                if not waited:
                    log.warning("reading waits for the scorers", posts=self._backlog)
                    waited = True
                await asyncio.sleep(ASK_AGAIN_S)
        if waited:
            log.info("reading goes on", posts=self._backlog)
