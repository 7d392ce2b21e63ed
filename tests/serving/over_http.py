"""An application of this process behind a real port, so that real clients can ask it."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from fastapi import FastAPI

from tests.machine import eventually
from tests.servers import free_port


@contextmanager
def over_http(app: FastAPI) -> Iterator[str]:
    """Serve `app` in a thread for a while; gives its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started, "the application is not served", 20)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
