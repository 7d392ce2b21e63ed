"""The parts that the service works with, opened once a process."""

from dataclasses import dataclass

import structlog
from redis import Redis
from sqlalchemy import Engine

from barometer.database import database_url, engine_for, migrate
from barometer.errors import ModelError, NotFoundError, UnavailableError
from barometer.redis_server import connect, redis_url
from barometer.settings import REPOSITORY, Settings
from barometer.stream import PostStream
from inference.backends import BACKENDS
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.registry import LoadedModel, load_champion
from serving.answers import Answers
from serving.models import Models

log = structlog.get_logger()
STARTER = REPOSITORY / "models" / "starter"


@dataclass
class Parts:
    """What routes need; Redis may come and go, the rest stands."""

    settings: Settings
    engine: Engine
    redis: Redis
    stream: PostStream
    models: Models
    answers: Answers


def open_parts(settings: Settings) -> Parts:
    """Open the database, Redis (lazily) and the champion, or the starter where there is none.

    Raises:
        UnavailableError: the database cannot be reached.
        ModelError: neither the champion nor the starter can be loaded.
    """
    url = database_url(settings)
    migrate(url)
    redis = connect(redis_url(settings))
    model, note = champion_or_starter(settings)
    return assemble(settings, engine_for(url), redis, Models(model, note))


def assemble(settings: Settings, engine: Engine, redis: Redis, models: Models) -> Parts:
    """The parts that follow from the four that are given."""
    return Parts(settings, engine, redis, PostStream(redis), models, Answers(models))


def champion_or_starter(settings: Settings) -> tuple[LoadedModel, str]:
    """The champion; the bundled starter and the reason while the registry has or gives none."""
    try:
        return load_champion(settings), ""
    except (ModelError, NotFoundError, UnavailableError) as error:
        log.warning("serving the starter model", reason=str(error))
        folder, opener = open_model_folder(STARTER), BACKENDS[settings.backend]
        classifier = Classifier(folder, settings.session_threads, opener)
        return LoadedModel("starter", classifier), str(error)
