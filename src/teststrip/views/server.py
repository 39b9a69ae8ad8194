"""The live page: the same page as the static one, fed while a study runs.

The one asynchronous file of this package. It has routes and headers only: `gate` decides who may ask, `feed` what is
new, and `assets/` what is shown. Needs the extra `view` (Starlette, uvicorn).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teststrip import plugins
from teststrip.errors import PictureError, StoreError, UsageError
from teststrip.folder import THUMBS
from teststrip.store import files, thumbs
from teststrip.views import board as boards
from teststrip.views import page
from teststrip.views.feed import REST, Feed, Rest
from teststrip.views.gate import HEADERS, POLICY, Gate, Refusal, is_loopback

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
    from starlette.routing import Route
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ModuleNotFoundError as error:
    raise plugins.missing(error) from error

if TYPE_CHECKING:
    from teststrip.results.result import Result

LOOK_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
MOST_CONNECTIONS = 100
MOST_BODY_BYTES = 1024  # a launch code is 43
KINDS = {".css": "text/css", ".js": "text/javascript", ".woff2": "font/woff2", ".html": "text/html"}
# The name of a picture is the digest of its bytes, so a browser may keep it; a proxy for many people may not.
KEPT = {"Cache-Control": "private, max-age=31536000, immutable"}
DOOR_ASSETS = ("launch.js", "launch.css")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the server waits for a slow client; uvicorn itself waits without end.

    Attributes:
        header_seconds: until the head of a request has arrived.
        body_seconds: until its body has.
    """

    header_seconds: float = 10.0
    body_seconds: float = 10.0


def serve(
    result: Result,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    announce: Callable[[str], None] = print,
    started: Callable[[Server], None] | None = None,
    patience: Patience = Patience(),
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
        patience: with slow clients.
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
        gate = Gate(listening.getsockname()[1], hosts=() if is_loopback(host) else (host,), token=token)
        feed = Feed(result, rest)
        name = f"[{host}]" if ":" in host else host

        def link() -> None:
            announce(f"http://{name}:{gate.port}/#launch={gate.code()}")

        pages = _Pages(feed, gate, link, patience.body_seconds)
        config = uvicorn.Config(
            application(pages, gate),
            http=partial(_Hasty, patience.header_seconds),  # type: ignore[arg-type]  # uvicorn only calls it
            ws="none",
            log_level="error",
            access_log=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=1,
        )
        server = Server(config, pages.farewell)
        link()
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


def application(pages: _Pages, gate: Gate) -> Starlette:
    """The routes, behind the gate."""
    app = Starlette(
        routes=[
            Route("/", pages.door),
            Route("/session", pages.enter, methods=["POST"]),
            Route("/assets/{name:path}", pages.asset),
            Route("/data.js", pages.data),
            Route("/events", pages.events),
            Route(f"/{THUMBS}/{{bucket}}/{{digest}}.webp", pages.thumb),
            Route("/{folder:path}/{name}", pages.image),
        ],
        middleware=[Middleware(_Guard, gate=gate)],
        lifespan=pages.watching,
    )
    app.router.redirect_slashes = False  # what is not there is not there
    return app


class _Pages:
    """What is answered on each route, once the gate has let a request through.

    Args:
        feed: of the study.
        gate: gives out sessions.
        link: announces a new link after one was used.
        body_seconds: until the body of a request must have arrived.
    """

    def __init__(self, feed: Feed, gate: Gate, link: Callable[[], None], body_seconds: float) -> None:
        self._feed, self._gate, self._link = feed, gate, link
        self._body_seconds = body_seconds
        self._watchers: set[asyncio.Event] = set()
        self._closing = False
        # One picture is made small at a time, because a run beside it needs the processor.
        self._shrinking = asyncio.Semaphore(1)

    async def door(self, request: Request) -> Response:
        """The page; without a session, a page that says where to get one."""
        if not self._gate.knows(request.cookies.get(self._gate.cookie)):
            return _text(page.asset("launch.html"), ".html", 401)
        html = page.html(policy=POLICY, styles=page.styles(), scripts=page.scripts("data.js"))
        return _text(html.encode(), ".html")

    async def enter(self, request: Request) -> Response:
        """A session for a launch code."""
        try:
            code = json.loads(await asyncio.wait_for(_body(request), self._body_seconds))["code"]
        except TimeoutError:
            # The connection is closed, because uvicorn would wait for the rest of the body all the same.
            return _refused(Refusal(408, "The code took too long to arrive."), {"Connection": "close"})
        except (ValueError, KeyError, TypeError, RecursionError):
            code = None
        if not isinstance(code, str):
            return _refused(Refusal(400, "The code could not be read."))
        session = self._gate.enter(code)
        if isinstance(session, Refusal):
            return _refused(session)
        self._link()
        response = JSONResponse({"entered": True})
        response.set_cookie(self._gate.cookie, session, httponly=True, samesite="strict", path="/")
        return response

    async def asset(self, request: Request) -> Response:
        """A style sheet, script or font."""
        name = request.path_params["name"]
        if name not in page.ASSETS and name not in DOOR_ASSETS:
            return _refused(Refusal(404, "There is no such asset."))
        return _text(page.asset(name), Path(name).suffix)

    async def data(self, _: Request) -> Response:
        """The board as it stands."""
        body = await run_in_threadpool(lambda: page.data_script(self._feed.snapshot()))
        return _text(body, ".js")

    async def image(self, request: Request) -> Response:
        """A picture that the board shows, and no other file."""
        folder, name = request.path_params["folder"], request.path_params["name"]
        file = self._feed.file_of(Path(name).stem)
        if file is None or file != f"{folder}/{name}":
            return _refused(Refusal(404, "There is no such picture."))
        try:
            # The ledger may be a stranger's: a path in it that leads out of the folder is refused here.
            path = files.place(self._feed.folder, file)
        except StoreError as error:
            return _refused(Refusal(404, str(error)))
        # The content type follows from the suffix, which `place` has checked.
        return FileResponse(path, headers=KEPT)

    async def thumb(self, request: Request) -> Response:
        """A small copy of a large picture."""
        file = self._feed.file_of(request.path_params["digest"])
        if file is None or f"/{thumbs.address(file)}" != request.url.path:
            return _refused(Refusal(404, "There is no such picture."))
        try:
            async with self._shrinking:
                small = await run_in_threadpool(thumbs.of, self._feed.folder, file)
        except (StoreError, PictureError):
            return _refused(Refusal(404, "This picture is damaged. `teststrip verify` says more."))
        return Response(small, media_type="image/webp", headers=KEPT)

    async def events(self, request: Request) -> Response:
        """A stream of what is new since a version, for as long as the page is open."""
        last = request.headers.get("last-event-id") or request.query_params.get("since", "")
        version = int(last) if last.isascii() and last.isdigit() and len(last) < 12 else -1
        return StreamingResponse(self._stream(version), media_type="text/event-stream")

    async def _stream(self, version: int) -> AsyncIterator[str]:
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            while not self._closing:
                news = await run_in_threadpool(self._feed.since, version)
                if news.reload or news.version > version:
                    version = news.version
                    yield f"id: {version}\nevent: news\ndata: {boards.to_json(news.as_dict())}\n\n"
                try:
                    await asyncio.wait_for(changed.wait(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield ": still here\n\n"
                changed.clear()
        finally:
            self._watchers.discard(changed)

    def farewell(self) -> None:
        """End the streams, so that the server need not wait for them when it stops."""
        self._closing = True
        for watcher in self._watchers:
            watcher.set()

    @contextlib.asynccontextmanager
    async def watching(self, _: Starlette) -> AsyncIterator[None]:
        """Look at the folder while a page is open."""
        task = asyncio.create_task(self._watch())
        yield
        task.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                moved = await run_in_threadpool(self._feed.look) if self._watchers else False
            except Exception:  # a ledger that `verify --rebuild` takes away is back at a later tick
                moved = False
            for watcher in self._watchers if moved else ():
                watcher.set()


class _Guard:
    """Asks the gate before anything else, and puts the protecting headers on every answer."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        hosts = request.headers.getlist("host")
        headers = {**dict(request.headers), "host": hosts[0] if len(hosts) == 1 else ""}
        refusal = self._gate.refuse(request.method, request.url.path, headers, request.cookies.get(self._gate.cookie))

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    *((name.lower().encode(), value.encode()) for name, value in HEADERS.items()),
                ]
            await send(message)

        await (_refused(refusal) if refusal else self._app)(scope, receive, guarded)


class _Hasty(H11Protocol):
    """Ends a connection whose request does not arrive in so many seconds."""

    _timer: asyncio.TimerHandle | None = None

    def __init__(self, seconds: float, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._seconds = seconds

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._timer = self.loop.call_later(self._seconds, transport.close)

    def data_received(self, data: bytes) -> None:
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self._timer is None:
            self._timer = self.loop.call_later(self._seconds, self.transport.close)
        super().data_received(data)
        if self._timer and self.cycle is not None and not self.cycle.response_complete:
            self._timer.cancel()
            self._timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            raise ValueError("too long")
    return body


def _refused(refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(refusal.reason + "\n", refusal.status, headers)


def _text(body: bytes, suffix: str, status: int = 200) -> Response:
    return Response(body, status, media_type=KINDS.get(suffix, "text/plain"), headers={"Cache-Control": "no-store"})


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
