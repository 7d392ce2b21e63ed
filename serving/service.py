"""The BentoML service. Run it with `barometer serve`."""

import gc

import bentoml
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from barometer.logs import set_up_logs
from barometer.settings import settings
from serving.access import warn_if_open
from serving.app import attach, create_app
from serving.front import Front
from serving.judge import judge
from serving.parts import open_parts
from serving.tether import tie_to_parent

app = create_app()


@bentoml.service(
    name="barometer", workers=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}}
)
class BarometerService:
    """REST, WebSocket and the dashboard, in one process of one worker."""

    def __init__(self) -> None:
        tie_to_parent()  # to BentoML's arbiter, which may be killed and would leave the port held
        set_up_logs(settings().log_level)
        warn_if_open(settings())
        self._parts = open_parts(settings())
        attach(app, self._parts)
        judge(self._parts.models.champion, ["warm up"])
        # What start-up left behind would be walked again and again: a p99 of 60 ms, not 1.3.
        gc.collect()
        gc.freeze()

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def listen(self) -> None:
        """Subscribe to the live stream, now that the event loop runs."""
        app.state.hub.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def leave(self) -> None:
        """Let live clients go."""
        await app.state.hub.stop()

    def __is_ready__(self) -> bool:
        """Ready while the database answers; without Redis the service answers on, degraded."""
        try:
            with self._parts.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True


# The decorator has made a bentoml.Service of the class.
BarometerService.add_asgi_middleware(Front, barometer=app)  # type: ignore[attr-defined]
