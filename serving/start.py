"""Run the service until it is told to stop: what `barometer serve` becomes.

    python -m serving.start

The BentoML service runs in this very process. `bentoml serve` would put a supervisor of its own
before it, which imports all of the service only to start it: twice the time to the first answer,
and a second process of its size. Whoever starts Barometer restarts it, too: `barometer up`, a
container's or a host's supervisor.
"""

import gc

gc.disable()  # nothing of what the imports make is garbage; the service enables it once it is ready

# ruff: noqa: E402 - the collector would take a quarter of the start, most of it in these imports
import logging
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import structlog
import uvicorn

import serving.lean  # noqa: F401 - before whatever imports MLflow
from barometer.errors import BarometerError, UnavailableError
from barometer.logs import set_up_logs
from barometer.settings import settings
from serving.service import BarometerService, parts

log = structlog.get_logger()


def main() -> None:
    """Serve; on SIGTERM or SIGINT take no more, finish what was taken, and exit with 0."""
    config = settings()
    set_up_logs(config.log_level)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)  # uvicorn's own handler repeats the signal once it is done
    try:
        parts()
    except BarometerError as error:
        log.error("cannot start", reason=str(error))  # noqa: TRY400 - a sentence, no trace
        sys.exit(error.exit_code)
    server = uvicorn.Server(
        uvicorn.Config(
            BarometerService.to_asgi(),  # type: ignore[attr-defined]  # the decorator's own
            host=config.host,
            port=config.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=config.shutdown_s,
        )
    )
    try:
        server.run()
    except SystemExit as told:  # by `_leave`, once every request is answered
        _end(int(told.code or 0))
    if not server.started:
        sys.exit(UnavailableError.exit_code)


def _leave(_: int, __: FrameType | None) -> None:
    sys.exit(0)


def _end(code: int) -> NoReturn:
    """End at once: the interpreter would wait for its threads, one of which a model may hold."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
