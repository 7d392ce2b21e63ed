"""Structured logs: readable on a terminal, JSON otherwise; never a post's text by default."""

import logging
import os
import sys
import traceback

import structlog
from structlog.typing import ExcInfo, Processor

from barometer.errors import BarometerError

FOREIGN = ("bentoml", "uvicorn", "uvicorn.error")
"""Loggers that BentoML gives handlers of their own, which write no JSON."""
MOST_LINKS = 10
"""Exceptions of one chain that are shown."""


def set_up_logs(level: str) -> None:
    """Configure structlog and the standard library's logging alike: one line an event.

    What libraries log and warn of takes the same way as our own lines, so that a reader of the
    log needs one format. `DEBUG` shows the messages of unexpected exceptions, too.
    """
    pretty = sys.stderr.isatty() or os.environ.get("FORCE_COLOR") == "1"
    steps: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if pretty else "iso", utc=not pretty),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.ExceptionRenderer(_whole if level == "DEBUG" else _without_messages),
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=pretty, pad_event_to=0)
        if pretty
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*steps, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*steps, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in FOREIGN:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it prints URLs with their keys
    # It tells of each retry; what comes of them is told by the error.
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def _whole(exc_info: ExcInfo) -> str:
    return "".join(traceback.format_exception(*exc_info)).rstrip()


def _without_messages(exc_info: ExcInfo) -> str:
    """Which exceptions, the innermost first, and where: a message may quote a post's text.

    The messages of Barometer's own errors stay: they are written to quote none.
    """
    chain: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None and len(chain) < MOST_LINKS:
        frames = "".join(traceback.format_tb(error.__traceback__))
        own = f": {error}" if isinstance(error, BarometerError) else ""
        chain.append(f"{frames}{type(error).__module__}.{type(error).__qualname__}{own}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nfrom which came\n".join(reversed(chain))
