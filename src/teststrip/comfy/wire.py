"""Requests to one server of ComfyUI, and what follows where it does not answer with JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from teststrip.hosted.configuration import Provider
from teststrip.hosted.own_server import OwnServer, parsed, patiently
from teststrip.hosted.trouble import Trouble

if TYPE_CHECKING:
    import httpx2


class Lost(Exception):
    """A graph was sent, and no whole answer came."""


class Wire(OwnServer):
    """A connection to one server; thread-safe. Sends no Origin, because ComfyUI refuses a foreign one.

    Args:
        provider: where the server is.
        secret: a key for a proxy before it; "" = none.
        seconds: until an answer counts as lost.

    Attributes:
        name: of the server, for messages.
        doubtful: the server was out of reach, so it may be another one now.
    """

    def __init__(self, provider: Provider, secret: str, seconds: float) -> None:
        super().__init__(provider, seconds, secret)
        self.name = provider.name or provider.base_url
        self.doubtful = False
        self._secret = secret

    def json(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """The answer of a path.

        Raises:
            Lost: a graph was sent, and no whole answer came.
            Trouble: the server was not reached, or says no, or answers with something else.
        """
        answer = self.answer(method, path, body, **query)
        text = answer.text.replace(self._secret, "[key]") if self._secret else answer.text
        found = parsed(text)
        status = answer.status_code
        if status == 200 and found is not None:
            return found
        why = _refused(found) or f"it answered {status}, and no JSON that was asked for"
        if status in (401, 403) or 300 <= status < 400:
            raise Trouble("stop", f"{self.name} says no, and would to every request ({status}): {self.told(why)}")
        if status >= 500:
            raise Trouble("again", f"{self.name} is in trouble ({status}): {self.told(why)}.")
        raise Trouble("invalid", f"{self.name}: {self.told(why)}")

    def answer(self, method: str, path: str, body: object = None, **query: str) -> httpx2.Response:
        """The answer of a path, whatever its status; raises as `json` does."""
        if method == "GET":
            return patiently(lambda: self._once(method, path, body, query))
        return self._once(method, path, body, query)

    def _once(self, method: str, path: str, body: object, query: Mapping[str, str]) -> httpx2.Response:
        import httpx2

        from teststrip.hosted import connections

        headers = {"authorization": f"Bearer {self._secret}"} if self._secret else {}
        content = None
        if body is not None:  # written here, because the client's own JSON refuses the NaN that graphs may hold
            content, headers = json.dumps(body).encode(), {**headers, "content-type": "application/json"}
        try:
            return self._client.request(method, self.base + path, params=query, content=content, headers=headers)
        except httpx2.HTTPError as error:
            self.doubtful = True
            if path == "/prompt" and isinstance(connections.cause(error), connections.Lost):
                raise Lost from None
            found = connections.trouble(error)
            kind: Literal["stop", "again"] = "stop" if found.kind == "stop" else "again"
            why = connections.cause(error) or type(error).__name__
            remedy = "Start ComfyUI there, or name another server by provider."
            raise Trouble(kind, f"{self.name} was not reached ({why}). {remedy}") from None
        except RuntimeError as error:  # the client was closed while a thread waited
            raise Trouble("error", f"the run ended before the picture was made ({error})") from None


def faults(errors: object) -> str:
    """What `node_errors` says, the first fault of each node; "" = nothing."""
    said = []
    for name, entry in table(errors).items():
        rows = table(entry).get("errors")
        first = table(rows[0]) if isinstance(rows, list) and rows else {}
        kind = table(entry).get("class_type", name)
        said.append(f"{kind}: {first.get('message', 'faulty')} ({first.get('details', '')})")
    return "; ".join(said[:5])


def table(value: object) -> Mapping[str, Any]:
    """The value where it is a table; else an empty one."""
    return value if isinstance(value, Mapping) else {}


def _refused(body: object) -> str:
    """Why a server refuses a graph."""
    found = table(body)
    error = table(found.get("error"))
    return faults(found.get("node_errors")) or " ".join(
        str(error[key]) for key in ("message", "details") if error.get(key)
    )
