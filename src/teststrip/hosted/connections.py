"""An HTTP client that knows of each request whether it was sent, and connects to judged addresses alone.

Imports httpx2, which the official clients bring; engines import this module when they first ask.

A connection serves one request: a server that closes an idle connection in the instant in which a request is written
would otherwise look as if it had taken the request and kept the answer.

The time of an answer is bounded where bytes are read, so that no part of an answer is left out: a server may drip the
letters of a head, or send interim answers (status 103) without end.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any, Protocol

import httpcore2
import httpx2

from teststrip.errors import EngineError
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


class Resolves(Protocol):
    """Says at which addresses a host may be asked, as `addresses.Reach` does for one host."""

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a host. Raises EngineError where it may not be asked, OSError where it has none."""
        ...


class NotSent(httpx2.TransportError):
    """The whole request did not reach the server, so nothing was done and nothing is paid."""


class Lost(httpx2.TransportError):
    """The request was sent, and no whole answer came: perhaps done, perhaps paid."""


class Forbidden(httpx2.TransportError):
    """The address may not be asked. Nothing was sent."""


def client(reach: Resolves, *, seconds: float, also: Collection[str] = (), encrypted: bool = True) -> httpx2.Client:
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

    def __init__(self, reach: Resolves, seconds: float, headers: Collection[str], *, encrypted: bool = True) -> None:
        self._headers = {name.encode() for name in headers}
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context() if encrypted else None,
            max_keepalive_connections=0,
            network_backend=_Judged(reach, seconds),
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
                body = _read(answer.iter_stream())
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

    def __init__(self, reach: Resolves, seconds: float) -> None:
        self._reach = reach
        self._seconds = seconds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        connect: Callable[[str], httpcore2.NetworkStream] = lambda address: _Bounded(  # noqa: E731
            super(_Judged, self).connect_tcp(address, port, timeout, local_address, socket_options), self._seconds
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


class _Bounded(httpcore2.NetworkStream):
    """A stream whose reads after a write share one time limit.

    A read's own limit begins anew with each byte. The limit here is the shorter one of a request's own and `seconds`.
    """

    def __init__(self, stream: httpcore2.NetworkStream, seconds: float) -> None:
        self._stream = stream
        self._seconds = seconds
        self._until: float | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Some bytes. Raises ReadTimeout where the reads since the last write take too long together."""
        now, longest = time.monotonic(), self._seconds if timeout is None else min(timeout, self._seconds)
        self._until = now + longest if self._until is None else self._until
        if now >= self._until:
            raise httpcore2.ReadTimeout("the answer takes too long")
        return self._stream.read(max_bytes, min(longest, self._until - now))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all bytes."""
        self._until = None
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """The encrypted stream, bounded as this one. The handshake has the time of a connect."""
        return _Bounded(self._stream.start_tls(ssl_context, server_hostname, timeout), self._seconds)

    def get_extra_info(self, info: str) -> Any:
        """What is known of the connection."""
        return self._stream.get_extra_info(info)


def _read(parts: Iterable[bytes]) -> bytes:
    """All parts of an answer.

    Raises:
        httpcore2.ReadError: they are larger than any picture.
    """
    body = bytearray()
    for part in parts:
        body += part
        if len(body) > MOST_BYTES:
            raise httpcore2.ReadError(f"the answer is larger than {MOST_BYTES // 2**20} MB")
    return bytes(body)
