"""What both clients send requests with: address, headers, time limits, tries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import orjson

from barometer import __version__
from barometer.client.calls import Call
from barometer.errors import InputError

LOCAL: Final = "http://127.0.0.1:3000"
CONNECT_S: Final = 5.0


@dataclass(frozen=True)
class Target:
    """The service, and how patiently it is asked."""

    url: str
    api_key: str | None
    timeout_s: float
    """Seconds that one try may take."""
    attempts: int
    """Tries of a request that the service puts off (429, 503) or that cannot be sent."""

    def __post_init__(self) -> None:
        """Refuse what cannot be an address."""
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise InputError(f"url: {self.url!r} must begin with http:// or https://.", "url")

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        who = {"User-Agent": f"barometer-client/{__version__}"}
        return who | ({"Authorization": f"Bearer {self.api_key}"} if self.api_key else {})

    @property
    def options(self) -> dict[str, Any]:
        """How an httpx client is made for it."""
        return {
            "base_url": self.url,
            "headers": self.headers,
            "timeout": httpx.Timeout(self.timeout_s, connect=min(CONNECT_S, self.timeout_s)),
        }

    @property
    def patience(self) -> dict[str, Any]:
        """How often stamina tries, the waits between tries included."""
        return {"attempts": self.attempts, "timeout": None, "wait_initial": 0.2, "wait_max": 5.0}


def request_of(call: Call[Any]) -> Mapping[str, Any]:
    """The call as httpx takes it; times in a body become ISO 8601."""
    request: dict[str, Any] = {"method": call.method, "url": call.path, "params": call.params}
    if call.body is not None:
        request |= {
            "content": orjson.dumps(call.body),
            "headers": {"Content-Type": "application/json"},
        }
    return request
