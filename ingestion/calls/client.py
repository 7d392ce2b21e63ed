"""One answer over HTTP: bounded in bytes and in time, retried with care."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import aclosing
from functools import cache
from typing import Any, Final, Self

import httpx
import stamina

from barometer import __version__
from ingestion.calls.answer import Answer, AnswerError, Limits, decoded, fault_of, is_passing

MAX_REDIRECTS: Final = 3


class HttpClient:
    """Asks servers, in an `async with`.

    `purpose` is told in the user agent, `accept` in that header; a status among `good` is an
    answer, any other a fault. `turn` is awaited before every attempt, repeated ones included: it
    keeps to a provider's limit.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        purpose: str,
        accept: str,
        good: Collection[int] = (httpx.codes.OK,),
        turn: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._limits = limits
        self._good = good
        self._turn = turn
        self._http = httpx.AsyncClient(
            headers={
                "User-Agent": f"Barometer/{__version__} ({purpose})",
                "Accept": accept,
                "Accept-Encoding": "gzip",
            },
            timeout=limits.timeout_s,
            verify=_certificates(),
        )
        self._retrying = stamina.AsyncRetryingCaller(
            attempts=limits.attempts,
            timeout=2 * limits.timeout_s,
            wait_initial=limits.timeout_s / 20,
            wait_jitter=limits.timeout_s / 20,
            wait_max=limits.timeout_s / 4,
        ).on(is_passing)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(
        self,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """What `url` answers.

        Raises:
            AnswerError: it cannot be read, or wants to be asked later.
        """
        asked = {"params": query, "headers": headers}
        return await self._retrying(self._attempt, "GET", url, MAX_REDIRECTS, asked)

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], content: str | None
    ) -> Answer:
        """What another client's request is answered; redirects are that client's business.

        Raises:
            AnswerError: it cannot be read, or wants to be asked later.
        """
        asked = {"headers": headers, "content": content}
        return await self._retrying(self._attempt, method, url, 0, asked)

    async def _attempt(
        self, method: str, url: str, redirects: int, asked: Mapping[str, Any]
    ) -> Answer:
        if self._turn is not None:
            await self._turn()
        # An exception's own text may quote the address or the peer's bytes: it is not passed on.
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                return await self._exchange(method, url, redirects, asked)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise AnswerError(
                f"did not answer in full within {self._limits.timeout_s:g} s", passing=True
            ) from error
        except httpx.ConnectError as error:
            raise AnswerError("cannot be reached", passing=True) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise AnswerError("is not an http or https address") from error
        except httpx.TransportError as error:
            raise AnswerError("broke off its answer", passing=True) from error

    async def _exchange(
        self, method: str, url: str, redirects: int, asked: Mapping[str, Any]
    ) -> Answer:
        # Redirects are followed here because httpx would read their bodies without a bound.
        request = self._http.build_request(method, url, **asked)
        for _ in range(redirects + 1):
            if request.url.scheme not in {"http", "https"}:  # httpx would take ws for http
                raise AnswerError("is not an http or https address")
            async with aclosing(await self._http.send(request, stream=True)) as response:
                if response.next_request is None or not redirects:
                    return await self._answer(response)
                request = response.next_request
        raise AnswerError(f"redirects more than {redirects} times")

    async def _answer(self, response: httpx.Response) -> Answer:
        if response.status_code not in self._good:
            raise fault_of(response.status_code, response.headers)
        base = response.url.copy_with(username=None, password=None, query=None, fragment=None)
        changed = response.status_code != httpx.codes.NOT_MODIFIED
        content = await decoded(response, self._limits) if changed else b""
        return Answer(
            status=response.status_code,
            headers=response.headers,
            content=content,
            base=str(base),
            links={
                relation: link.get("url", "")
                for relation, link in response.links.items()
                if relation
            },
        )


def server_of(url: str) -> str:
    """Host and port: what people see of an address, for the rest of it may hold a password."""
    try:
        return httpx.URL(url).netloc.decode("ascii") or "an address without a host"
    except httpx.InvalidURL:
        return "an unreadable address"


@cache
def _certificates() -> ssl.SSLContext:
    # Reading the certificates takes longer than reading most answers.
    return httpx.create_ssl_context()
