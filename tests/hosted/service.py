"""A web service on this machine that makes pictures and fails on demand: what the services of tests share.

A subclass speaks one protocol: it turns a request into a `Reply`. The service counts what it bills. A `Fault` spoils
a reply in one phase, so that tests see what a client makes of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from teststrip import pictures

Phase = Literal["accepted", "read", "headers", "half", "whole"]
"""When a fault happens: before the request is read, before the answer, after its head, in its body, after it."""

Way = Literal["close", "reset", "stall", "drip", "head", "hints"]
"""How a fault goes on. The last three send without end: spaces, the letters of a head, interim answers."""

DRIPS: Mapping[Way, tuple[bytes, bytes]] = {
    "drip": (b"", b" "),
    "head": (b"HTTP/1.1 200 OK\r\nX-Letters: ", b"a"),
    "hints": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}
"""What is sent first, and what then again and again."""

LONGEST_DRIP = 8.0
"""Seconds after which a drip ends, so that a client without a time limit fails its test and does not hang it."""


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        status: of HTTP.
        body: JSON value, or bytes as they are.
        headers: beside the usual ones.
        billed: what the service takes for it, in USD; None = the request is not counted.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    billed: float | None = None


@dataclass(frozen=True)
class Fault:
    """What spoils a connection, and when."""

    way: Way
    phase: Phase


@dataclass
class Request:
    """What a client asked.

    Attributes:
        number: how many came before.
        path: with the query.
        headers: in lower case.
        body: JSON.
    """

    number: int
    path: str
    headers: Mapping[str, str]
    body: Any


def png_of(*parts: object, size: tuple[int, int] = (16, 16)) -> bytes:
    """A picture that depends on the parts alone; `size` is width and height."""
    seed = int.from_bytes(hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).digest()[:8], "big")
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return pictures.encode_png(pixels)


class Service:
    """A service that listens on a free port of this machine until it is closed.

    Attributes:
        requests: all that were read whole.
        billed: USD by the prompt that was drawn, once for each picture that was made.
        spoil: says for each connection what spoils it, by the number of the connection.
        instead: says for each request what is answered in the place of a picture; None = a picture.
    """

    path: ClassVar[str] = ""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.billed: list[tuple[str, float]] = []
        self.spoil: Callable[[int], Fault | None] = lambda number: None
        self.instead: Callable[[Request], Reply | None] = lambda request: None
        self.stalled = threading.Event()
        self._connections = 0
        self._lock = threading.Lock()  # protects the two lists and the count, which the threads of requests share
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with service._lock:
                    number, service._connections = service._connections, service._connections + 1
                self.fault = service.spoil(number)
                if self.fault and self.fault.phase == "accepted":
                    service._end(self.connection, self.fault.way)
                    return
                with contextlib.suppress(ConnectionError):
                    self.handle_one_request()

            def do_POST(self) -> None:
                service._serve(self, self.fault)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign] - clients leave in the middle
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{self.path}"

    @property
    def spent(self) -> float:
        return sum(price for _, price in self.billed)

    def encrypt(self, certificate: Path) -> None:
        """Speak TLS from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def close(self) -> None:
        self.stalled.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply(self, request: Request) -> Reply:
        """The answer with a picture, or the protocol's own error."""
        raise NotImplementedError

    def read(self, raw: bytes, headers: Mapping[str, str]) -> Any:
        """The body of a request; JSON unless the protocol has another form."""
        return json.loads(raw) if raw else None

    def prompt(self, request: Request) -> str:
        """What a request wants drawn."""
        raise NotImplementedError

    def _serve(self, handler: BaseHTTPRequestHandler, fault: Fault | None) -> None:
        raw = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        with self._lock:
            headers = {name.lower(): value for name, value in handler.headers.items()}
            request = Request(len(self.requests), handler.path, headers, self.read(raw, headers))
            self.requests.append(request)
        reply = self.instead(request) or self.reply(request)
        if reply.billed is not None:
            with self._lock:
                self.billed.append((self.prompt(request), reply.billed))
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        head = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
        lines = [f"HTTP/1.1 {reply.status} -"]
        lines += [f"{name}: {value}" for name, value in (head | dict(reply.headers)).items()]
        first = ("\r\n".join(lines) + "\r\n\r\n").encode()
        parts = {"read": b"", "headers": first, "half": first + body[: len(body) // 2]}
        if fault is None or fault.phase == "whole":
            handler.connection.sendall(first + body)
            if fault:
                self._end(handler.connection, fault.way)
            return
        handler.connection.sendall(parts[fault.phase])
        self._end(handler.connection, fault.way)

    def _end(self, connection: socket.socket, way: Way) -> None:
        if way == "stall":
            self.stalled.wait(30)
        elif way in DRIPS:
            until = time.monotonic() + LONGEST_DRIP
            send, again = DRIPS[way]
            while time.monotonic() < until and not self.stalled.wait(0.02):
                try:
                    connection.sendall(send)
                except OSError:
                    break
                send = again
        elif way == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def patiently(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until a condition holds; fails where it does not in time."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)
