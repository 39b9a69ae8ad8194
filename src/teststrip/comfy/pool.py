"""Several servers that share one study: all alike, the one with the least to do is asked, a lost one rests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from teststrip.comfy.server import Server
from teststrip.errors import EngineError, shortened
from teststrip.hosted import configuration
from teststrip.hosted.addresses import reach
from teststrip.hosted.configuration import Provider
from teststrip.hosted.keys import key
from teststrip.hosted.trouble import Trouble

HOME: Final = "http://127.0.0.1:8188"
"""Where ComfyUI listens unless it is told otherwise."""

REST: Final = 5.0
"""Seconds in which a server that was out of reach is asked only where all are."""

ALIKE: Final = ("comfyui", "pytorch", "device")
"""What all servers of a study have in common: the versions, and the kind of device."""


class Pool:
    """The servers of an engine; asked first when they are first needed.

    Args:
        names: of the user's configuration; none = the server of this machine.
        seconds: until a picture that is being made counts as lost.

    Attributes:
        facts: what all servers have in common.
    """

    def __init__(self, names: Sequence[str], seconds: float) -> None:
        self.facts: dict[str, object] = {}
        self._names = tuple(dict.fromkeys(names))
        self._seconds = seconds
        self._servers: list[Server] = []
        self._busy: dict[Server, int] = {}
        self._resting: dict[Server, float] = {}
        self._lock = threading.Lock()  # protects the list and the two tables, which the threads of requests share

    def providers(self) -> list[Provider]:
        """Where the servers are.

        Raises:
            EngineError: the configuration does not say.
        """
        if not self._names:
            return [Provider("", HOME, reach(HOME))]
        known = configuration.read()
        return [known.provider(name) for name in self._names]

    @property
    def met(self) -> list[Server]:
        """The servers that were asked and have answered; empty before that, and after the end."""
        return self._servers

    def servers(self) -> list[Server]:
        """All servers, after each has said that it is there and like the first.

        Raises:
            EngineError: one is not.
            ModuleNotFoundError: the HTTP client is not installed.
        """
        if self._servers:
            return self._servers
        opened: list[Server] = []
        try:
            for provider in self.providers():
                opened.append(Server(provider, key(provider.key), self._seconds))
                self._greet(opened[-1], opened[0])
        except Trouble as trouble:
            start = "" if self._names else " Start ComfyUI, or name a server of your configuration by provider"
            error = EngineError(f"{trouble.text}{start}")
        except EngineError as found:
            error = found
        else:
            self._servers = opened
            return opened
        for server in opened:
            server.close()
        raise error from None

    @contextmanager
    def chosen(self) -> Iterator[Server]:
        """The server with the least to do, of those in reach; counted as busy until the end.

        Raises:
            Trouble: there is none any more, or it came back as another.
        """
        now = time.monotonic()
        with self._lock:
            if not self._servers:
                raise Trouble("error", "the run ended before the picture was asked for")
            best = min(self._servers, key=lambda one: (self._resting.get(one, 0.0) > now, self._busy.get(one, 0)))
            self._busy[best] = self._busy.get(best, 0) + 1
        try:
            if best.doubtful:
                best.forget()
                if why := difference(self.facts, best.stats()):
                    raise Trouble("stop", f"{best.name} came back as another server: {why}. What is made is kept")
            yield best
        finally:
            with self._lock:
                self._busy[best] -= 1
                if best.doubtful:
                    self._resting[best] = time.monotonic() + REST

    def close(self) -> None:
        """Cancel what is under way, and close the connections."""
        with self._lock:
            servers, self._servers = self._servers, []
        for server in servers:
            server.close()

    def _greet(self, server: Server, first: Server) -> None:
        stats = server.stats()
        if server is first:
            self.facts = {name: stats[name] for name in ALIKE}
        elif why := difference(self.facts, stats):
            raise EngineError(f"{first.name} and {server.name} are not alike: {why}")


def difference(one: Mapping[str, object], other: Mapping[str, object]) -> str:
    """What two servers differ in; "" = in nothing that both say."""
    for name, value in one.items():
        if name in other and other[name] != value:
            return f"{name} is {shortened(str(value), 120)} and {shortened(str(other[name]), 120)}"
    return ""
