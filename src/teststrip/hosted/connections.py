"""An HTTP client that knows of each request whether it was sent, and connects to judged addresses alone.

Imports httpx2, which the official clients bring; engines import this module when they first ask.

A connection serves one request: a server that closes an idle connection in the instant in which a request is written
would otherwise look as if it had taken the request and kept the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

import httpcore2
import httpx2

from teststrip.errors import EngineError
from teststrip.hosted.addresses import Reach
from teststrip.hosted.trouble import Trouble

CONNECT_SECONDS = 15.0
MOST_BYTES = 96 * 2**20
"""The most bytes of an answer: a picture of 64 MB, as much as a reader of pictures takes, is 85 MB in base64."""


HEADERS = frozenset(
    {"host", "accept", "content-type", "content-length", "user-agent", "authorization", "x-goog-api-key"}
)
"""The headers that are sent. Clients add others: of this machine, and from environment variables that a server of the
user's own has no business with (the organisation, the project, headers for another server)."""

_OWN = [(b"accept-encoding", b"identity"), (b"connection", b"close")]

_UNDONE = (b"transfer-encoding", b"content-encoding")


class NotSent(httpx2.TransportError):
    """The whole request did not reach the server, so nothing was done and nothing is paid."""


class Lost(httpx2.TransportError):
    """The request was sent, and no whole answer came: perhaps done, perhaps paid."""


class Forbidden(httpx2.TransportError):
    """The address may not be asked. Nothing was sent."""


def client(reach: Reach, *, seconds: float, also: Collection[str] = (), encrypted: bool = True) -> httpx2.Client:
    """A client for one server; thread-safe.

    Args:
        reach: where its requests may go.
        seconds: the longest time from the end of the sending to the end of the answer.
        also: names of headers that are sent besides HEADERS, in small letters.
        encrypted: False = the server is only asked without TLS, so that no certificates need be loaded (50 ms).
    """
    timeout = httpx2.Timeout(seconds, connect=CONNECT_SECONDS)
    transport = _Transport(reach, seconds, HEADERS | set(also), encrypted=encrypted)
    return httpx2.Client(transport=transport, trust_env=False, follow_redirects=False, timeout=timeout)


def cause(error: BaseException) -> NotSent | Lost | Forbidden | None:
    """The error of this module behind an error of an official client; None where the server answered."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, NotSent | Lost | Forbidden):
        seen = seen.__cause__ or seen.__context__
    return seen


def trouble(error: BaseException) -> Trouble:
    """What follows from a request without an answer, by whether it was sent."""
    behind = cause(error)
    if isinstance(behind, Forbidden):
        return Trouble("stop", str(behind))
    if isinstance(behind, NotSent):
        return Trouble("again", f"the service was not reached ({behind}).")
    why = behind or type(error).__name__
    return Trouble("unknown", f"sent, and no whole answer came ({why}): perhaps paid", paid=None)


class _Transport(httpx2.BaseTransport):
    """Sends a request and reads the whole answer, bounded in time and bytes."""

    def __init__(self, reach: Reach, seconds: float, headers: Collection[str], *, encrypted: bool = True) -> None:
        self._seconds = seconds
        self._headers = {name.encode() for name in headers}
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context() if encrypted else None,
            max_keepalive_connections=0,
            network_backend=_Judged(reach),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The whole answer.

        Raises:
            NotSent: the server does not have the whole request.
            Lost: it has, and the answer is not whole.
            Forbidden: the address may not be asked.
        """
        sent = _Sent()
        url = request.url
        asked = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            # Uncompressed, because a small answer may be packed so that it fills the memory.
            headers=[*(one for one in request.headers.raw if one[0].lower() in self._headers), *_OWN],
            content=request.stream,
            extensions={**request.extensions, "trace": sent},
        )
        try:
            answer = self._pool.handle_request(asked)
            try:
                body = _read(answer.iter_stream(), until=time.monotonic() + self._seconds)
            finally:
                answer.close()
        except EngineError as error:
            raise Forbidden(str(error), request=request) from None
        except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise (Lost if sent.whole else NotSent)(what, request=request) from error
        headers = [one for one in answer.headers if one[0].lower() not in _UNDONE]
        return httpx2.Response(answer.status, headers=headers, stream=httpx2.ByteStream(body), request=request)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class _Sent:
    """Is told by httpcore what it does, and notes when the last byte of the request is with the network."""

    def __init__(self) -> None:
        self.whole = False

    def __call__(self, event: str, facts: dict[str, Any]) -> None:
        self.whole = self.whole or event.endswith("send_request_body.complete")


class _Judged(httpcore2.SyncBackend):
    """Connects to the addresses that `Reach` allows; the name stays the one that TLS checks."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        connect: Callable[[str], httpcore2.NetworkStream] = lambda address: super(_Judged, self).connect_tcp(  # noqa: E731
            address, port, timeout, local_address, socket_options
        )
        try:
            addresses = self._reach.resolve(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(f"{host} has no address: {error.strerror or error}") from error
        for address in addresses[:-1]:
            try:
                return connect(address)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return connect(addresses[-1])


def _read(parts: Iterable[bytes], *, until: float) -> bytes:
    """All parts of an answer.

    Raises:
        httpcore2.ReadTimeout: they take too long together, as from a server that sends a byte now and then.
        httpcore2.ReadError: they are larger than any picture.
    """
    body = bytearray()
    for part in parts:
        body += part
        if len(body) > MOST_BYTES:
            raise httpcore2.ReadError(f"the answer is larger than {MOST_BYTES // 2**20} MB")
        if time.monotonic() > until:
            raise httpcore2.ReadTimeout("the answer takes too long")
    return bytes(body)
