"""What Barometer counts for Prometheus, in every process that counts it; `serving` shows it.

Labels are few and bounded: routes by their template, never a path that a caller wrote.
"""

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    start_http_server,
)

from barometer.errors import SettingsError

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # memory, processor time, open files

REQUESTS: Final = Counter(
    "barometer_requests",
    "Requests answered.",
    ["route", "method", "status"],
    registry=REGISTRY,
)
REQUEST_SECONDS: Final = Histogram(
    "barometer_request_seconds",
    "Seconds from a request's arrival to the end of its answer, by what answered: memory, redis, "
    "model, llm, vader; mixed where several did; cache or stored where an analysis judged no text; "
    "none where nothing was classified.",
    ["route", "origin"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
ANSWERS: Final = Counter(
    "barometer_answers",
    "Texts answered, by what answered.",
    ["origin"],
    registry=REGISTRY,
)
CACHE_HITS: Final = Counter(
    "barometer_cache_hits", "Lookups that a cache layer answered.", ["layer"], registry=REGISTRY
)
CACHE_MISSES: Final = Counter(
    "barometer_cache_misses", "Lookups that it did not.", ["layer"], registry=REGISTRY
)
BATCH_TEXTS: Final = Histogram(
    "barometer_batch_texts",
    "Texts of one run of the model.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
    registry=REGISTRY,
)
TOKENS: Final = Counter(
    "barometer_tokens", "Tokens that the model read, without padding.", registry=REGISTRY
)
POSTS_SCORED: Final = Counter(
    "barometer_posts_scored", "Posts classified and stored by this scorer.", registry=REGISTRY
)
POSTS_BURIED: Final = Counter(
    "barometer_posts_buried", "Posts that this scorer moved to the dead letters.", registry=REGISTRY
)


def count_lookups(layer: str, *, hits: int, misses: int) -> None:
    """Count lookups in a cache layer, such as `memory`, `redis`, `analysis` or `aggregate`."""
    CACHE_HITS.labels(layer).inc(hits)
    CACHE_MISSES.labels(layer).inc(misses)


def show_on(port: int) -> None:
    """Serve the figures at a port of the loopback, for a process without an HTTP service.

    Raises:
        SettingsError: the port is taken.
    """
    try:
        start_http_server(port, "127.0.0.1", REGISTRY)
    except OSError as error:
        raise SettingsError(
            f"BAROMETER_WORK_METRICS_PORT={port} is taken by another program, or by another "
            "scorer: give each its own, or 0."
        ) from error


def observe_batch(texts: int, tokens: int) -> None:
    """Count one run of the model."""
    BATCH_TEXTS.observe(texts)
    TOKENS.inc(tokens)
