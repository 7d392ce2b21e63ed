"""The BentoML service. Run it with `barometer serve`."""

import gc

import bentoml
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from barometer.logs import set_up_logs
from barometer.settings import settings
from serving.app import attach, create_app
from serving.judge import judge
from serving.parts import open_parts
from serving.tether import tie_to_parent

log = structlog.get_logger()
app = create_app()


@bentoml.service(
    name="barometer", workers=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}}
)
@bentoml.asgi_app(app, path="/")
class BarometerService:
    """REST, WebSocket and the dashboard, in one process of one worker."""

    def __init__(self) -> None:
        tie_to_parent()  # to BentoML's arbiter, which may be killed and would leave the port held
        set_up_logs(settings().log_level)
        self._parts = open_parts(settings())
        attach(app, self._parts)
        try:
            judge(self._parts.models.champion, ["warm up"])
        except Exception as error:  # noqa: BLE001 - whatever a model may raise: the failsafe is there
            log.warning("the model did not warm up", reason=type(error).__name__)
        # What start-up left behind would be walked again and again: a p99 of 60 ms, not 1.3.
        gc.collect()
        gc.freeze()

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def listen(self) -> None:
        """Begin what runs beside the requests, now that the event loop runs."""
        app.state.hub.start()
        self._parts.watch.start()
        app.state.hot_words.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def leave(self) -> None:
        """Let go of live clients, the registry and the LLM's connections."""
        self._parts.watch.stop()
        await app.state.hot_words.stop()
        await app.state.hub.stop()
        await self._parts.failsafe.close()

    def __is_ready__(self) -> bool:
        """Ready while the database answers; without Redis the service answers on, degraded."""
        try:
            with self._parts.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True
