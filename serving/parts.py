"""The parts that the service works with, opened once a process."""

from dataclasses import dataclass
from functools import partial

import structlog
from redis import Redis
from sqlalchemy import Engine

from barometer.analysis_queue import AnalysisQueue
from barometer.back_pressure import Pressure
from barometer.broker import Broker
from barometer.brokers import open_broker
from barometer.database import ready_engine
from barometer.errors import ModelError, NotFoundError, UnavailableError
from barometer.redis_server import connect, redis_url
from barometer.settings import REPOSITORY, Settings
from inference.absent import absent_model
from inference.backends import BACKENDS
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.registry import LoadedModel, load, load_champion
from serving.aggregates import Aggregates
from serving.analysis_cache import AnalysisCache
from serving.answers import Answers
from serving.failsafe import Failsafe
from serving.model_watch import ModelWatch
from serving.models import Models

log = structlog.get_logger()
STARTER = REPOSITORY / "models" / "starter"


@dataclass
class Parts:
    """What routes need; Redis may come and go, the rest stands."""

    settings: Settings
    engine: Engine
    redis: Redis
    broker: Broker
    pressure: Pressure
    """Whether the stream takes more posts."""
    models: Models
    failsafe: Failsafe
    answers: Answers
    analyses: AnalysisCache
    """Answers of `/analyze`."""
    unsynced: AnalysisQueue
    """Those of them that the database lacks."""
    aggregates: Aggregates
    """Counts and trends of events."""
    watch: ModelWatch
    """Follows the registry once it is started."""


def open_parts(settings: Settings) -> Parts:
    """Open the database, Redis (lazily) and the champion, or the starter where there is none.

    Where neither can be loaded the failsafe answers, from the first request on.

    Raises:
        UnavailableError: the database cannot be reached.
    """
    engine = ready_engine(settings)
    redis = connect(redis_url(settings))
    try:
        model, note = champion_or_starter(settings)
    except ModelError as error:
        log.error("no model can be loaded: the failsafe answers", reason=str(error))  # noqa: TRY400
        model, note = absent_model(str(error)), str(error)
    models = Models(model, note, partial(load, settings))
    return assemble(settings, engine, redis, models)


def assemble(settings: Settings, engine: Engine, redis: Redis, models: Models) -> Parts:
    """The parts that follow from the four that are given."""
    failsafe = Failsafe(settings, redis)
    broker = open_broker(settings, redis)
    return Parts(
        settings=settings,
        engine=engine,
        redis=redis,
        broker=broker,
        pressure=Pressure(broker, settings.stream_high_water),
        models=models,
        failsafe=failsafe,
        answers=Answers(models, settings, redis, failsafe),
        analyses=AnalysisCache(redis),
        unsynced=AnalysisQueue(redis),
        aggregates=Aggregates(engine, settings.aggregate_ttl_s),
        watch=ModelWatch(settings, models, redis),
    )


def champion_or_starter(settings: Settings) -> tuple[LoadedModel, str]:
    """The champion; the bundled starter and the reason while the registry has or gives none.

    Raises:
        ModelError: the starter cannot be loaded either.
    """
    try:
        return load_champion(settings), ""
    except (ModelError, NotFoundError, UnavailableError) as error:
        log.warning("serving the starter model", reason=str(error))
        folder, opener = open_model_folder(STARTER), BACKENDS[settings.backend]
        classifier = Classifier(folder, settings.session_threads, opener)
        return LoadedModel("starter", classifier), str(error)
