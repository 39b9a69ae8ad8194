"""A running server of the live page, with a client that has a session."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from urllib.parse import urlparse

import httpx
from tests import studies

from teststrip.results.result import open_result
from teststrip.verbs.run import drive
from teststrip.views import server


def board_in(script: str) -> dict:
    """The board that data.js hands to the page, read without a browser."""
    literal = script[script.index("'") + 1 : script.rindex("'")]
    return json.loads(re.sub(r"\\(.)", r"\1", literal))


@dataclass
class Live:
    """A running server.

    Attributes:
        base: its address.
        folder: of the study.
        links: those announced.
    """

    base: str
    folder: Path
    links: Queue[str]
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.base, timeout=60)

    def enter(self, code: str) -> httpx.Response:
        headers = {"Origin": self.base, "X-Teststrip": "1", "Content-Type": "application/json"}
        return self.client.post("/session", content=json.dumps({"code": code}), headers=headers)

    @property
    def port(self) -> int:
        return int(self.base.rpartition(":")[2])

    @property
    def cookie(self) -> str:
        """The header of a request with a session."""
        (cookie,) = self.client.cookies.jar
        return f"Cookie: {cookie.name}={cookie.value}"

    def connect(self) -> socket.socket:
        return socket.create_connection((urlparse(self.base).hostname, self.port), timeout=60)

    def raw(self, *head: str, body: bytes = b"") -> bytes:
        """All that the server says to a request of these lines, until it closes the connection."""
        with self.connect() as connection:
            connection.sendall("\r\n".join([*head, "", ""]).encode("latin-1") + body)
            said = b""
            while part := connection.recv(65536):
                said += part
        return said


@contextmanager
def serving(parent: Path, **options: object) -> Iterator[Live]:
    """A server of a study with its first pictures, entered by its first link."""
    folder = parent / "little"
    toml = studies.write(parent, replicates=2, settings={"width": 320, "height": 320})
    drive(toml, folder, trackers=[], views=False, limit=4).result.close()
    links: Queue[str] = Queue()
    running: Queue[server.Server] = Queue()
    result = open_result(folder)
    thread = threading.Thread(
        target=server.serve, args=(result,), kwargs={"announce": links.put, "started": running.put, **options}
    )
    thread.start()
    link = links.get(timeout=60)
    base, _, code = link.partition("/#launch=")
    made = Live(base, folder, links)
    assert made.enter(code).status_code == 200
    yield made
    made.client.close()
    running.get().stop()
    thread.join(timeout=60)
    result.close()
    assert not thread.is_alive()
