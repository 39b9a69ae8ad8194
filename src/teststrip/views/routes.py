"""The routes of the live page: what is answered to a request that the gate has let through.

Has routes and headers only: `gate` decides who may ask, `connections` for how long, `feed` what is new, and `assets/`
what is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from teststrip.errors import PictureError, StoreError
from teststrip.folder import THUMBS
from teststrip.store import files, thumbs
from teststrip.views import board as boards
from teststrip.views import page
from teststrip.views.connections import KEY
from teststrip.views.feed import Feed
from teststrip.views.gate import HEADERS, PICTURE_HEADERS, POLICY, VOTING, Gate, Refusal, single

LOOK_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
MOST_BODY_BYTES = 1024  # a launch code is 43
TEXTS = {".css": "text/css", ".js": "text/javascript", ".woff2": "font/woff2", ".html": "text/html"}
PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
"""What a picture may be. Never guessed from a name that stands in a ledger, because that may be a stranger's."""
# The name of a picture is the digest of its bytes, so a browser may keep it; a proxy for many people may not.
KEPT = {**PICTURE_HEADERS, "Cache-Control": "private, max-age=31536000, immutable"}
NO_PICTURE = Refusal(404, "There is no such picture.")
DAMAGED = Refusal(404, "This picture is gone or damaged. `teststrip verify` says more.")
DOOR_ASSETS = ("launch.js", "launch.css", "tokens.css", page.VOTE_STYLE, page.VOTE_SCRIPT)


def application(pages: Pages, gate: Gate, voting: Sequence[Route] = ()) -> Starlette:
    """The routes, behind the gate; `voting` are those of the raters."""
    app = Starlette(
        routes=[
            Route("/", pages.door),
            Route("/session", pages.enter, methods=["POST"]),
            Route("/assets/{name:path}", pages.asset),
            Route("/data.js", pages.data),
            Route("/events", pages.events),
            *voting,
            Route(f"/{THUMBS}/{{bucket}}/{{digest}}.webp", pages.thumb),
            Route("/{folder:path}/{name}", pages.image),
        ],
        middleware=[Middleware(_Guard, gate=gate)],
        lifespan=pages.watching,
    )
    app.router.redirect_slashes = False  # what is not there is not there
    return app


class Pages:
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
            return text_answer(page.asset("launch.html"), ".html", 401)
        return text_answer(page.index(POLICY), ".html")

    async def enter(self, request: Request) -> Response:
        """A session for a launch code."""
        try:
            code = json.loads(await asyncio.wait_for(body_of(request), self._body_seconds))["code"]
        except TimeoutError:
            # The connection is closed, because uvicorn would wait for the rest of the body all the same.
            return refused(Refusal(408, "The code took too long to arrive."), {"Connection": "close"})
        except (ValueError, KeyError, TypeError, RecursionError):
            code = None
        if not isinstance(code, str):
            return refused(Refusal(400, "The code could not be read."))
        if (rating := self._gate.enter_rater(code)) is not None:
            response = JSONResponse({"entered": True})
            response.set_cookie(self._gate.rater_cookie, rating, httponly=True, samesite="strict", path=VOTING)
            return response
        session = self._gate.enter(code)
        if isinstance(session, Refusal):
            return refused(session)
        self._link()
        response = JSONResponse({"entered": True})
        response.set_cookie(self._gate.cookie, session, httponly=True, samesite="strict", path="/")
        return response

    async def asset(self, request: Request) -> Response:
        """A style sheet, script or font."""
        name = request.path_params["name"]
        if name not in page.ASSETS and name not in DOOR_ASSETS:
            return refused(Refusal(404, "There is no such asset."))
        return text_answer(page.asset(name), Path(name).suffix)

    async def data(self, _: Request) -> Response:
        """The board as it stands."""
        body = await run_in_threadpool(lambda: page.data_script(self._feed.snapshot()))
        return text_answer(body, ".js")

    async def image(self, request: Request) -> Response:
        """A picture that the board shows, and no other file."""
        folder, name = request.path_params["folder"], request.path_params["name"]
        file = self._feed.file_of(Path(name).stem)
        if file is None or file != f"{folder}/{name}":
            return refused(NO_PICTURE)
        return await _picture(partial(files.read_whole, self._feed.folder, file), file)

    async def thumb(self, request: Request) -> Response:
        """A small copy of a large picture."""
        file = self._feed.file_of(request.path_params["digest"])
        if file is None or f"/{(small := thumbs.address(file))}" != request.url.path:
            return refused(NO_PICTURE)
        async with self._shrinking:
            return await _picture(partial(thumbs.of, self._feed.folder, file), small)

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
        refusal = self._refuse(request)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                # Pictures are answered under headers of their own.
                own = HEADERS if b"content-security-policy" not in given else {}
                message["headers"] = [
                    *message["headers"],
                    *((name.lower().encode(), value.encode()) for name, value in own.items()),
                ]
            await send(message)

        # After a refusal the connection is closed where another request could hide in the body of this one.
        ended = {"Connection": "close"} if refusal and refusal.status == 400 else {}
        await (refused(refusal, ended) if refusal else self._app)(scope, receive, guarded)

    def _refuse(self, request: Request) -> Refusal | None:
        headers = single(request.headers.items())
        if isinstance(headers, Refusal):
            return headers
        session = request.cookies.get(self._gate.cookie)
        rater = request.cookies.get(self._gate.rater_cookie)
        if refusal := self._gate.refuse(request.method, request.url.path, headers, session, rater):
            return refusal
        guest = self._gate.knows(session) or self._gate.rater(rater) is not None
        if guest and not request.scope["state"][KEY].welcome():
            return Refusal(503, "Too many pages of this study are open. Close some.")
        return None


async def _picture(read: Callable[[], bytes], name: str) -> Response:
    """The bytes of a picture under the type of our own table. Whatever is no sound picture is not there."""
    kind = PICTURES.get(Path(name).suffix)
    if kind is None:
        return refused(NO_PICTURE)
    try:
        return Response(await run_in_threadpool(read), media_type=kind, headers=KEPT)
    except (StoreError, PictureError, OSError):
        return refused(DAMAGED)


async def body_of(request: Request) -> bytes:
    """The body of a request, which is a small one. Raises ValueError where it is not."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            raise ValueError("too long")
    return body


def refused(refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal as an answer, in words for a person."""
    return PlainTextResponse(refusal.reason + "\n", refusal.status, headers)


def text_answer(body: bytes, suffix: str, status: int = 200) -> Response:
    """A page, style sheet, script or font as an answer."""
    return Response(body, status, media_type=TEXTS.get(suffix, "text/plain"), headers={"Cache-Control": "no-store"})
