"""The routes of the voting: all that a rater's link opens.

Knows HTTP and JSON; `voting` decides what is shown and what counts, and `gate` has let the request through.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from teststrip.errors import StoreError
from teststrip.views import page
from teststrip.views.gate import PICTURE_HEADERS, POLICY, VOTING, Gate, Refusal
from teststrip.views.routes import body_of, refused, text_answer
from teststrip.views.voting import CHOICES, OWNER, Booth, Poll

UNSEEN = {**PICTURE_HEADERS, "Cache-Control": "no-store"}
UNKNOWN = Refusal(410, "This pair is not open any more. Read the page again.")
NOT_KEPT = "The vote could not be kept. It is sent again; say so to who asked you."  # raters see no path of this disk
UNREADABLE = Refusal(400, "The vote could not be read.")
UNREADABLE_NOW = Refusal(503, "The study cannot be read now. Try again.")


class Voting:
    """What is answered to raters, and to the owner who votes.

    Args:
        poll: of the study.
        gate: knows who asks.
        body_seconds: until the body of a request must have arrived.
        look: reads what a run has made since.
        said: what the votes and the metrics say, for the owner alone.
    """

    def __init__(
        self, poll: Poll, gate: Gate, body_seconds: float, *, look: Callable[[], object], said: Callable[[], object]
    ) -> None:
        self._poll, self._gate, self._body_seconds, self._look, self._said = poll, gate, body_seconds, look, said

    @property
    def routes(self) -> Sequence[Route]:
        """All that a rater's session opens, and what the votes say, which is the owner's."""
        return (
            Route(VOTING, self.page),
            Route(f"{VOTING}/pairs", self.pairs),
            Route(f"{VOTING}/answer", self.answer, methods=["POST"]),
            Route(f"{VOTING}/undo", self.undo, methods=["POST"]),
            Route(f"{VOTING}/said", self.said),
            Route(f"{VOTING}/picture/{{name}}", self.picture),
        )

    async def page(self, request: Request) -> Response:
        """The page to vote on; without a session, a page that says where to get one."""
        if self._rater(request) is None:
            return text_answer(page.asset("launch.html"), ".html", 401)
        return text_answer(page.voting(POLICY), ".html")

    async def pairs(self, request: Request) -> Response:
        """The pairs that are open, and how far the voting is."""
        return await self._state(request)

    async def picture(self, request: Request) -> Response:
        """A picture of an open pair, by its random name."""
        booth = self._booth(request)  # whose lock may be held while a vote waits for the disk
        found = await run_in_threadpool(booth.picture, request.path_params["name"])
        if found is None:
            return refused(Refusal(404, "There is no such picture."))
        data, kind = found
        return Response(data, media_type=kind, headers=UNSEEN)

    async def answer(self, request: Request) -> Response:
        """A vote. It is on the disk before the answer says so."""
        table = await self._table(request)
        if isinstance(table, Response):
            return table
        identity, choice, milliseconds = (table.get(name) for name in ("id", "choice", "milliseconds"))
        known = next((one for one in CHOICES if one == choice), None)
        if not isinstance(identity, str) or known is None or type(milliseconds) is not int:
            return refused(UNREADABLE)
        booth = self._booth(request)
        return await self._changed(request, lambda: booth.answer(identity, known, milliseconds))

    async def undo(self, request: Request) -> Response:
        """Take the last vote back."""
        table = await self._table(request)
        if isinstance(table, Response):
            return table
        if not isinstance(identity := table.get("id"), str):
            return refused(UNREADABLE)
        booth = self._booth(request)
        return await self._changed(request, lambda: booth.undo(identity))

    async def said(self, request: Request) -> Response:
        """What the votes say beside what the metrics say. A rater who knew it would be blind no more."""
        if not self._is_owner(request):
            return refused(Refusal(403, "Only the owner of the study sees what the votes say."))
        try:
            return JSONResponse(await run_in_threadpool(self._said), headers={"Cache-Control": "no-store"})
        except (StoreError, OSError):
            return refused(UNREADABLE_NOW)

    async def _changed(self, request: Request, change: Callable[[], bool | None]) -> Response:
        try:
            counted = await run_in_threadpool(change)
        except StoreError as error:  # the page keeps the vote and sends it again
            return refused(Refusal(503, str(error) if self._is_owner(request) else NOT_KEPT))
        return refused(UNKNOWN) if counted is None else await self._state(request, counted=counted)

    async def _state(self, request: Request, *, counted: bool | None = None) -> Response:
        booth = self._booth(request)
        try:
            state = await run_in_threadpool(booth.state)
        except (StoreError, OSError):
            return refused(UNREADABLE_NOW)
        state |= {"owner": self._is_owner(request)} | ({} if counted is None else {"counted": counted})
        # The next pairs are prepared when the rater has the answer already.
        return JSONResponse(
            state, headers={"Cache-Control": "no-store"}, background=BackgroundTask(self._prepare, booth)
        )

    def _prepare(self, booth: Booth) -> None:
        # A ledger that `verify --rebuild` takes away is back later, and a rater who waits asks again.
        with contextlib.suppress(StoreError, OSError):
            self._look()
            booth.fill()

    async def _table(self, request: Request) -> dict[str, Any] | Response:
        try:
            table = json.loads(await asyncio.wait_for(body_of(request), self._body_seconds))
        except TimeoutError:
            return refused(Refusal(408, "The vote took too long to arrive."), {"Connection": "close"})
        except (ValueError, RecursionError):
            return refused(UNREADABLE)
        return table if isinstance(table, dict) else refused(UNREADABLE)

    def _rater(self, request: Request) -> str | None:
        """Who asks. A rater's link counts before the session of the owner, so that an owner can try it."""
        rater = self._gate.rater(request.cookies.get(self._gate.rater_cookie))
        if rater is None and self._gate.knows(request.cookies.get(self._gate.cookie)):
            return OWNER
        return rater

    def _booth(self, request: Request) -> Booth:
        rater = self._rater(request)
        assert rater is not None  # the gate let this request through
        return self._poll.booth(rater)

    def _is_owner(self, request: Request) -> bool:
        """Whether the session is the owner's. The name of a rater grants nothing."""
        return self._gate.rater(request.cookies.get(self._gate.rater_cookie)) is None
