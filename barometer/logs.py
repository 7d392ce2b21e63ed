"""Structured logs: readable on a terminal, JSON otherwise; never a post's text by default."""

import logging
import os
import sys

import structlog


def set_up_logs(level: str) -> None:
    """Configure structlog and the standard library's logging for this process."""
    pretty = sys.stderr.isatty() or os.environ.get("FORCE_COLOR") == "1"
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=pretty, pad_event_to=0)
        if pretty
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if pretty else "iso", utc=not pretty),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it prints URLs with their keys
    # It tells of each retry; what comes of them is told by the error.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
