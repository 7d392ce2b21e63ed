"""The server that the other tests ask: what it prints is of use to who reads their output."""

import socket
import struct
import threading
import time

import httpx
import pytest

from tests.ingestion.feed_server import Exchange, FeedServer

RESET = struct.pack("ii", 1, 0)
"""The linger option under which closing a socket resets its connection."""


def test_it_is_quiet_about_clients_that_hang_up_and_prints_its_own_faults(
    feeds: FeedServer, capfd: pytest.CaptureFixture[str]
) -> None:
    host, port = feeds.base.removeprefix("http://").split(":")
    for sent in (b"", b"GET /a", b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"):
        with socket.create_connection((host, int(port))) as client:
            client.sendall(sent)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    wait_for_handlers()
    assert capfd.readouterr().err == ""

    def broken(exchange: Exchange) -> None:
        raise ValueError("a bug of the test")

    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(feeds.serve("/broken", broken))
    wait_for_handlers()
    assert "a bug of the test" in capfd.readouterr().err


def wait_for_handlers() -> None:
    """Until every request's thread has ended."""
    deadline = time.monotonic() + 5
    while any("process_request_thread" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
