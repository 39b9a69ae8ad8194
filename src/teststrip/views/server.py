"""The live page: the same page as the static one, fed while a study runs.

Puts the parts together and listens: `gate` decides who may ask, `connections` for how long, `routes` answers, and
`feed` says what is new.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from teststrip.errors import UsageError
from teststrip.results import polling
from teststrip.views.connections import PATIENCE, Connection, Patience, Room
from teststrip.views.feed import REST, Feed, Rest
from teststrip.views.gate import VOTING, Gate, is_loopback
from teststrip.views.routes import LOOK_SECONDS, Pages, application
from teststrip.views.vote_routes import Voting
from teststrip.views.voting import Poll

if TYPE_CHECKING:
    from teststrip.results.result import Result

__all__ = ["LOOK_SECONDS", "Patience", "Server", "serve"]


def serve(
    result: Result,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    announce: Callable[[str], None] = print,
    started: Callable[[Server], None] | None = None,
    raters: Sequence[str] = (),
    invite: Callable[[str, str], None] = print,
    at: str = "/",
    patience: Patience = PATIENCE,
    room: Room | None = None,
    rest: Rest = REST,
) -> None:
    """Serve the live page of a study folder until Ctrl-C.

    Args:
        result: opened for reading; a run may go on in another process.
        host: address to listen on. Anything but loopback needs a `token`.
        port: 0 = any free one.
        token: at least 32 characters; a standing code for people on other machines.
        announce: is given each link to open. A link works once; when it was used, a new one is announced.
        started: is given the server, whose `stop` ends this call from another thread.
        raters: names of raters; each gets a link that opens the voting and nothing else, until the server ends.
        invite: is given each rater's name and link.
        at: the part of the page that the links of `announce` open.
        patience: with slow clients.
        room: for connections; by default one of usual size.
        rest: of the feed between two looks at the folder.

    Raises:
        UsageError: the address is reachable from outside without a token, or in use.
    """
    if not is_loopback(host) and (token is None or len(token) < 32):
        raise UsageError(
            f"{host}: other machines reach this address, so a token of at least 32 characters is needed. Or stay on "
            "127.0.0.1 and use a tunnel: ssh -L 8000:127.0.0.1:8000 THIS-MACHINE"
        )
    listening = _listen(host, port)
    try:
        gate = Gate(listening.getsockname()[1], hosts=(host,), token=token)
        feed = Feed(result, rest)
        name = f"[{host}]" if ":" in host else host

        def link() -> None:
            announce(f"http://{name}:{gate.port}{at}#launch={gate.code()}")

        pages = Pages(feed, gate, link, patience.body_seconds)
        poll = Poll(result.folder, feed.rows, chooser=polling.chooser(result.study))
        voting = Voting(poll, gate, patience.body_seconds, look=feed.look, said=feed.said)
        config = uvicorn.Config(
            application(pages, gate, voting.routes),
            http=partial(Connection, room or Room(), patience.header_seconds),  # type: ignore[arg-type]  # is only called
            ws="none",
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        server = Server(config, pages.farewell)
        link()
        for rater in raters:
            invite(rater, f"http://{name}:{gate.port}{VOTING}#launch={gate.invite(rater)}")
        if started:
            started(server)
        server.run(sockets=[listening])
    finally:
        listening.close()


class Server(uvicorn.Server):
    """uvicorn's server, which ends its open streams before it waits for them. `farewell` ends them."""

    def __init__(self, config: uvicorn.Config, farewell: Callable[[], None]) -> None:
        super().__init__(config)
        self._farewell = farewell

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn when it was told to exit."""
        self._farewell()
        await super().shutdown(sockets)

    def stop(self) -> None:
        """End `serve` from another thread."""
        self.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host.strip("[]"), port))
        listening.listen()  # a link that is opened at once waits for uvicorn instead of being refused
    except OSError as error:
        listening.close()
        raise UsageError(f"{host}:{port}: cannot listen there ({error.strerror}). Choose another --port") from error
    return listening
