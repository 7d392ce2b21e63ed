"""`GET /metrics`: what was counted, and the parts' state as it is when Prometheus asks."""

import contextlib
from collections.abc import Iterator

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from barometer.errors import BrokerError
from barometer.metrics import REGISTRY
from barometer.tracking import CHAMPION
from serving.live_hub import LiveHub
from serving.parts import Parts
from serving.routes_mood import WithParts

router = APIRouter(tags=["system"])
FORMAT = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of Prometheus' text format, which `generate_latest` writes."""
BREAKER = {"closed": 0, "half-open": 1, "open": 2}


class PartsCollector(Collector):
    """Gauges of the parts, read when they are asked for; what is away is left out."""

    def __init__(self, parts: Parts, hub: LiveHub) -> None:
        self._parts = parts
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        """A family for each part."""
        yield self._models()
        queued = self._parts.answers.batcher.queued
        yield gauge("barometer_queue_texts", "Texts that wait for the model.", queued)
        state = BREAKER[self._parts.failsafe.breaker.state]
        yield gauge("barometer_breaker_state", "0 closed, 1 half-open, 2 open.", state)
        yield gauge("barometer_live_clients", "Listeners of `/live`.", self._hub.clients)
        yield gauge("barometer_redis_up", "Whether Redis answers.", self._redis_answers())
        with contextlib.suppress(BrokerError):
            backlog = self._parts.broker.backlog()
            yield gauge("barometer_stream_backlog_posts", "Posts that wait for a scorer.", backlog)
        with contextlib.suppress(RedisError):
            unsynced = self._parts.unsynced.waiting()
            says = "Analyses that wait for the database."
            yield gauge("barometer_unsynced_analyses", says, unsynced.count)
            says = "Seconds that the oldest of them has waited."
            yield gauge("barometer_unsynced_oldest_seconds", says, unsynced.oldest_s)

    def _redis_answers(self) -> bool:
        try:
            self._parts.redis.ping()
        except RedisError:
            return False
        return True

    def _models(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "barometer_model_info", "The models that are loaded.", labels=["version", "alias"]
        )
        lineup = self._parts.models.lineup
        family.add_metric([lineup.champion.version, CHAMPION], 1)
        if lineup.trial is not None:
            family.add_metric([lineup.trial.challenger.version, lineup.trial.stage], 1)
        return family


def gauge(name: str, says: str, value: float) -> GaugeMetricFamily:
    """A gauge without labels."""
    return GaugeMetricFamily(name, says, value)


class Exposition(PlainTextResponse):
    """Prometheus' text format."""

    media_type = FORMAT


@router.get("/metrics", response_class=Exposition)
def metrics(parts: WithParts, request: Request) -> Exposition:
    """Counters, histograms and gauges for Prometheus."""
    state = CollectorRegistry()
    state.register(PartsCollector(parts, request.app.state.hub))
    return Exposition(generate_latest(REGISTRY) + generate_latest(state))
