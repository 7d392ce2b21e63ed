"""What this process has counted for Prometheus so far."""

from barometer.metrics import REGISTRY


def counted(name: str, **labels: str) -> float:
    """The value of `barometer_NAME` with these labels; 0 before it was first counted."""
    return REGISTRY.get_sample_value(f"barometer_{name}", labels) or 0.0


def lookups(layer: str) -> tuple[float, float]:
    """Hits and misses of a cache layer's name."""
    return counted("cache_hits_total", layer=layer), counted("cache_misses_total", layer=layer)
