"""A requests session to hand to a client library: bounded in bytes and time, one kind of fault.

The library builds the requests and reads the answers; the session sends them to the configured
address, and turns what servers and networks do wrong into `AnswerError` before the library sees it.
"""

import contextlib
import io
import time
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import requests
import urllib3

from ingestion.calls.answer import AnswerError, fault_of
from ingestion.calls.library_call import HalfAnswerError

PIECE: Final = 65_536
"""Bytes that are read at a time."""
MAX_LINE: Final = 262_144
"""Bytes of one line of a streamed answer; the longest posts take a tenth of it."""


class BoundedSession(requests.Session):
    """Sends what a library addresses to `library_base` to `base` instead.

    A whole answer takes `timeout_s` at most from its headers to its last byte, and so do the
    connection and the headers each; it has at most `max_bytes`. Of a streamed answer no line is
    longer than `MAX_LINE`, and `silence_s` may pass between two pieces of it. Redirects are faults.
    `default_pause` is asked for by a 429 that names no time.
    """

    def __init__(
        self,
        *,
        library_base: str,
        base: str,
        timeout_s: float,
        max_bytes: int,
        default_pause: timedelta,
        silence_s: float | None = None,
    ) -> None:
        super().__init__()
        self._library_base = library_base
        self._base = base
        self._timeout_s = timeout_s
        self._silence_s = silence_s or timeout_s
        self._max_bytes = max_bytes
        self._default_pause = default_pause
        self._streamed: urllib3.BaseHTTPResponse | None = None
        self.headers["Accept-Encoding"] = "identity"  # so that no small answer unfolds to a big one
        self.auth = _as_it_is  # else a .netrc of this machine would replace the library's header

    def request(  # type: ignore[override]  # the library's arguments, passed on
        self, method: str, url: str, *, stream: bool = False, **arguments: Any
    ) -> requests.Response:
        """Send one request and read its answer.

        Raises:
            AnswerError: it brought no good answer.
        """
        if not url.startswith(self._library_base):
            raise AnswerError("was addressed elsewhere by its library")
        arguments |= {
            "allow_redirects": False,
            "stream": True,
            "timeout": (self._timeout_s, self._silence_s if stream else self._timeout_s),
        }
        url = self._base + url.removeprefix(self._library_base)
        try:
            response = super().request(method, url, **arguments)
        except requests.Timeout as error:
            raise AnswerError(self._late, passing=True) from error
        except requests.ConnectionError as error:
            raise AnswerError("cannot be reached, or hung up", passing=True) from error
        except (requests.RequestException, ValueError) as error:
            raise AnswerError("cannot be asked so") from error
        raw = response.raw
        try:
            self._refuse_fault(response)
            if stream:
                self._streamed = raw
                response.raw = _Lines(raw)
            else:
                response.raw = io.BytesIO(self._body(raw))
        except AnswerError:
            raw.close()
            raise
        return response

    def abort(self) -> None:
        """End the streamed answer: whoever waits for its next piece gets its end at once."""
        if self._streamed is not None:
            with contextlib.suppress(RuntimeError, ValueError, OSError):  # it has ended already
                self._streamed.shutdown()

    def _refuse_fault(self, response: requests.Response) -> None:
        if not HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES:
            pause = self._default_pause
            raise fault_of(response.status_code, response.headers, default_pause=pause)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise HalfAnswerError("uses a content encoding that it was not asked for")

    def _body(self, raw: urllib3.BaseHTTPResponse) -> bytes:
        ends = time.monotonic() + self._timeout_s
        body = bytearray()
        with _broken_off():
            while piece := raw.read1(PIECE, decode_content=False):
                body += piece
                if len(body) > self._max_bytes:
                    raise HalfAnswerError(
                        f"sent more than {self._max_bytes} bytes (BAROMETER_SOURCE_MAX_BYTES)"
                    )
                if time.monotonic() > ends:
                    raise HalfAnswerError(self._late, passing=True)
        raw.release_conn()
        return bytes(body)

    @property
    def _late(self) -> str:
        return f"did not answer in full within {self._timeout_s:g} s"


class _Lines:
    """The body of a streamed answer, as requests reads it; no line of it is endless."""

    def __init__(self, raw: urllib3.BaseHTTPResponse) -> None:
        self._raw = raw

    @property
    def closed(self) -> bool:
        return self._raw.closed

    def stream(self, amt: int, **_: object) -> Iterator[bytes]:
        length = 0
        with _broken_off():
            for piece in self._raw.stream(amt, decode_content=False):
                begun = len(piece) - 1 - piece.rfind(b"\n")
                length = begun if begun < len(piece) else length + len(piece)
                if length > MAX_LINE:
                    raise HalfAnswerError(f"sent a line of more than {MAX_LINE} bytes")
                yield piece

    def close(self) -> None:
        self._raw.close()

    def release_conn(self) -> None:
        self._raw.close()


@contextlib.contextmanager
def _broken_off() -> Iterator[None]:
    try:
        yield
    except urllib3.exceptions.ReadTimeoutError as error:
        raise HalfAnswerError("fell silent in the middle of its answer", passing=True) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise HalfAnswerError("broke off its answer", passing=True) from error


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
