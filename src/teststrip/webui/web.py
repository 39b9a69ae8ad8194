"""Requests to one server: JSON there and back, Basic auth, and what an error status means.

Imports httpx2 by way of `hosted.connections`, so the engine imports this module when it first asks.
"""

from __future__ import annotations

import base64
from typing import Any

import httpx2

from teststrip.errors import EngineError
from teststrip.hosted import connections
from teststrip.hosted.configuration import Provider
from teststrip.hosted.keys import key
from teststrip.hosted.own_server import OwnServer, parsed, patiently
from teststrip.hosted.trouble import Trouble, asked_to_wait

QUICK = 30.0
"""Seconds of silence until a list counts as lost; a picture has the time that the user gives it."""
_MEMORY = ("outofmemory", "out of memory")
_NOT_FINITE = ("nansexception", "all nans")


class Web(OwnServer):
    """One server.

    Args:
        provider: its address, and where user and password are.
        seconds: until a picture counts as lost.

    Raises:
        EngineError: a user or a password is named and not there.
    """

    def __init__(self, provider: Provider, seconds: float) -> None:
        secret = key(provider.key)
        self._headers = _basic(provider.more.get("user", ""), secret)
        super().__init__(provider, seconds, self._headers.get("authorization", "").removeprefix("Basic "), secret)

    def get(self, path: str) -> Any:
        """The JSON value at a path; None where the server has no such path.

        Raises:
            Trouble: there is no answer, or no JSON in it.
        """
        answer = patiently(lambda: self._answered("GET", path, None, quick=True))
        if answer.status_code in (404, 405, 501):
            return None
        return self._read(answer, path)

    def post(self, path: str, body: object, *, quick: bool = False) -> Any:
        """The JSON value that answers a body.

        Raises:
            Trouble: there is no answer, an error status, or no JSON.
        """
        return self._read(self._answered("POST", path, body, quick=quick), path)

    def _answered(self, method: str, path: str, body: object, *, quick: bool) -> httpx2.Response:
        limit = QUICK if quick else httpx2.USE_CLIENT_DEFAULT
        try:
            return self._client.request(method, self.base + path, json=body, headers=self._headers, timeout=limit)
        except httpx2.HTTPError as error:
            raise _lost(error, self.base) from None

    def _read(self, answer: httpx2.Response, path: str) -> Any:
        if answer.status_code != 200:
            raise self._refusal(answer, path)
        found = parsed(answer.content)
        if found is None and answer.content.strip() != b"null":
            raise Trouble("invalid", f"the answer to {path} is no JSON")
        return found

    def _refusal(self, answer: httpx2.Response, path: str) -> Trouble:
        """What an answer with an error status means."""
        status, text = answer.status_code, self.told(_words(answer))
        plain = text.lower().replace(" ", "")
        if status in (401, 403):
            return Trouble(
                "stop",
                f"the server wants a user and a password ({status}: {text})."
                ' Write user = "env:NAME" and key = "env:NAME" beside its base_url',
            )
        if status == 405 or (status == 404 and plain.strip('."') in ("notfound", "nomessage", "apageofhtml")):
            return Trouble("stop", f"the server has no {path} ({status}). Start it with --api")
        if 300 <= status < 400:
            return Trouble("stop", f"the server leads elsewhere ({status}), and that is not followed")
        if status in (429, 502, 503):
            return Trouble("again", f"the server is busy ({status}): {text}", wait=asked_to_wait(answer.headers))
        if any(word.replace(" ", "") in plain for word in _MEMORY):
            return Trouble("oom", f"the server has too little memory: {text}")
        if any(word.replace(" ", "") in plain for word in _NOT_FINITE):
            return Trouble("nan", f"the server computed values that are not finite: {text}")
        if status >= 500:
            return Trouble("error", f"the server failed ({status}): {text}")
        return Trouble("invalid", f"the server refuses the request ({status}): {text}")


def _basic(user: str, password: str) -> dict[str, str]:
    """The header that says who asks; a key without a user holds both, as "user:password"."""
    if not password:
        if user:
            raise EngineError('a user needs a password: write key = "env:NAME" beside it')
        return {}
    name = key(user) if user.startswith(("env:", "keyring:")) else user
    whole = f"{name}:{password}" if user else password
    return {"authorization": "Basic " + base64.b64encode(whole.encode()).decode()}


def _lost(error: httpx2.HTTPError, base: str) -> Trouble:
    """What follows from a request without an answer. Nothing is paid, so what was lost may be asked again."""
    behind = connections.cause(error)
    why = str(behind or type(error).__name__)
    if isinstance(behind, connections.Forbidden):
        return Trouble("stop", why)
    if isinstance(behind, connections.NotSent):
        remedy = "Start the web UI with --api, or name another server by provider."
        return Trouble("again", f"the server at {base} was not reached ({why}). {remedy}")
    if "Timeout" in why:
        return Trouble("timeout", f"no whole answer came in time ({why})")
    return Trouble("again", f"the connection broke before a whole answer came ({why}).")


def _words(answer: httpx2.Response) -> object:
    """What an error says: the first field that holds words."""
    body = parsed(answer.content)
    if isinstance(body, dict):
        said = [str(body[name]) for name in ("error", "detail", "errors", "message") if body.get(name)]
        return ": ".join(dict.fromkeys(said)) or "no message"
    return answer.text or "no message"
