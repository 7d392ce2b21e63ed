"""A scorer in a process of its own that ends with SIGKILL between the row and the acknowledgement.

python -m tests.serving.mortal_scorer
"""

import os
import signal
import threading

from barometer.brokers import open_broker
from barometer.database import database_url, engine_for
from barometer.redis_server import connect, redis_url
from barometer.settings import settings
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.registry import LoadedModel
from serving.models import Models
from serving.parts import STARTER
from serving.scorer import Scorer


def main() -> None:
    config = settings()
    broker = open_broker(config)
    broker.acknowledge = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
    model = LoadedModel("7", Classifier(open_model_folder(STARTER), threads=1))
    redis, engine = connect(redis_url(config)), engine_for(database_url(config))
    Scorer(broker, redis, engine, Models(model), 50, "mortal").run(threading.Event())


if __name__ == "__main__":
    main()
