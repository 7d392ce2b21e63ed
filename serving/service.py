"""The BentoML service. Run it with `barometer serve`."""

import gc
from functools import cache

import bentoml
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from barometer.logs import set_up_logs
from barometer.settings import settings
from serving.access import warn_if_open
from serving.app import attach, create_app
from serving.front import Front
from serving.judge import judge
from serving.memory import give_back
from serving.parts import Parts, open_parts
from serving.request_log import RequestLog

log = structlog.get_logger()
app = create_app()


@cache
def parts() -> Parts:
    """The parts of this process; what keeps them from opening is raised, as by `open_parts`."""
    return open_parts(settings())


@bentoml.service(
    name="barometer",
    workers=1,
    # Its own limit, whose answer is no problem, must never be the first; nor may it be endless,
    # since each request leaves a timer behind for as long.
    traffic={"timeout": settings().request_deadline_s + 5},
    logging={"access": {"enabled": False}},
    # Its own have a label for each path that a caller makes up, and grow without bound by it.
    metrics={"enabled": False},
)
class BarometerService:
    """REST, WebSocket and the dashboard, in one process of one worker."""

    def __init__(self) -> None:
        set_up_logs(settings().log_level)
        warn_if_open(settings())
        self._parts = parts()
        attach(app, self._parts)
        try:
            judge(self._parts.models.champion, ["warm up"])
        except Exception as error:  # noqa: BLE001 - whatever a model may raise: the failsafe is there
            log.warning("the model did not warm up", reason=type(error).__name__)
        # What start-up left behind would be walked again and again: a p99 of 60 ms, not 1.3.
        gc.collect()
        gc.freeze()
        gc.enable()
        give_back()  # what the start has freed is room for a second model while one is exchanged

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def listen(self) -> None:
        """Begin what runs beside the requests, now that the event loop runs."""
        app.state.hub.start()
        self._parts.watch.start()
        app.state.hot_words.start()
        version = self._parts.models.champion.version
        log.info("serving", port=settings().port, model_version=version)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def leave(self) -> None:
        """Let go of live clients, the registry and the LLM's connections."""
        self._parts.watch.stop()
        await app.state.hot_words.stop()
        await app.state.hub.stop()
        await self._parts.failsafe.close()
        log.info("every request is answered; stopping")

    def __is_ready__(self) -> bool:
        """Ready while the database answers; without Redis the service answers on, degraded."""
        try:
            with self._parts.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True


# The decorator has made a bentoml.Service of the class.
BarometerService.add_asgi_middleware(Front, barometer=RequestLog(app))  # type: ignore[attr-defined]
