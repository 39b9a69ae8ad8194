"""The connections of the live page: how long each may take, and how many there may be.

A connection is a stranger until a request with a session came over it. Strangers have few places, and the stranger who
holds a place longest gives it up to the next one: so slow or idle strangers never keep a newcomer with a session out.
Guests, who have a session, are counted apart. Knows sockets and HTTP/1.1; the gate decides who has a session.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

KEY = "connection"
"""Where the state of a request holds its connection."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the server waits for a slow client; uvicorn itself waits without end.

    Attributes:
        header_seconds: until the head of a request has arrived.
        body_seconds: until its body has.
    """

    header_seconds: float = 10.0
    body_seconds: float = 10.0


PATIENCE = Patience()


class Room:
    """The places for connections.

    Args:
        strangers: the most connections without a session.
        guests: the most connections with one.
    """

    def __init__(self, strangers: int = 64, guests: int = 100) -> None:
        self._most_strangers, self._most_guests = strangers, guests
        self._strangers: dict[Connection, None] = {}  # the longest waiting first
        self._guests: set[Connection] = set()

    def arrive(self, connection: Connection) -> None:
        """Give a new connection a place; where there is none, the longest waiting stranger leaves."""
        if len(self._strangers) >= self._most_strangers:
            oldest = next(iter(self._strangers))
            self.leave(oldest)
            oldest.transport.abort()
        self._strangers[connection] = None

    def welcome(self, connection: Connection) -> bool:
        """Give a connection with a session the place of a guest.

        Returns:
            Whether there was one.
        """
        if connection not in self._guests:
            if len(self._guests) >= self._most_guests:
                return False
            self._strangers.pop(connection, None)
            self._guests.add(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """Give the place of a connection back."""
        self._strangers.pop(connection, None)
        self._guests.discard(connection)


class Connection(H11Protocol):
    """A connection that ends where a request does not arrive in time, and that has a place in the room.

    Args:
        room: with the places.
        header_seconds: see `Patience`.
        options: of uvicorn's class.
    """

    _timer: asyncio.TimerHandle | None = None

    def __init__(self, room: Room, header_seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self._room, self._seconds = room, header_seconds
        self.app_state = {**self.app_state, KEY: self}  # uvicorn hands this to the application with each request

    def welcome(self) -> bool:
        """Whether there is a place for a connection that shows a session."""
        return self._room.welcome(self)

    def connection_made(self, transport: Any) -> None:
        """Called by asyncio."""
        super().connection_made(transport)
        self._room.arrive(self)
        self._timer = self.loop.call_later(self._seconds, transport.close)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self._timer is None:
            self._timer = self.loop.call_later(self._seconds, self.transport.close)
        super().data_received(data)
        if self._timer and self.cycle is not None and not self.cycle.response_complete:
            self._timer.cancel()
            self._timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._room.leave(self)
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)
