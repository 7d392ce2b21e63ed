"""`barometer work`: one scorer in this process."""

import serving.lean  # noqa: F401 - before whatever imports MLflow

# isort: split
import signal
import threading

import structlog

from barometer.brokers import answering_broker
from barometer.database import database_url, engine_for, migrate
from barometer.metrics import show_on
from barometer.redis_server import connect, redis_url
from barometer.settings import Settings
from serving.model_watch import ModelWatch
from serving.models import Models
from serving.parts import champion_or_starter
from serving.scorer import Scorer
from serving.worker_name import worker_name

log = structlog.get_logger()
BROKER_WAIT_S = 30.0


def run_worker(settings: Settings, asked_name: str) -> None:
    """Score until SIGTERM or SIGINT; the batch under way is stored and acknowledged first.

    Raises:
        ConflictError: a living scorer of this machine has that name.
        UnavailableError: the stream or the database does not answer.
    """
    if settings.work_metrics_port:
        show_on(settings.work_metrics_port)
    with worker_name(settings.state, asked_name) as name:
        broker = answering_broker(settings, BROKER_WAIT_S)
        migrate(database_url(settings))
        models = Models(*champion_or_starter(settings))
        watch = ModelWatch(settings, models, None)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        redis, engine = connect(redis_url(settings)), engine_for(database_url(settings))
        scorer = Scorer(broker, redis, engine, models, settings.scorer_batch, name)
        log.info("scoring", worker=name, model_version=models.champion.version)
        watch.start()
        scorer.run(stop)
        watch.stop()
        broker.close()
    log.info("stopped", worker=name, posts=scorer.stored)
