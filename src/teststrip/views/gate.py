"""The gate of the live page: who may talk to it. Decides on names and headers; knows no sockets and no studies.

Even on loopback every request needs a session, because other users of the machine and other pages in the browser reach
loopback too. A browser swaps the one-time code of a link for a cookie. The code stands in the link's fragment, which
browsers do not send to any server.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

LOOPBACK = ("127.0.0.1", "localhost", "::1")
FAILURES_A_MINUTE = 10
CODE_BYTES = 32  # 256 bits
HEADER = "x-teststrip"

POLICY = (
    "default-src 'none'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY + "; frame-ancestors 'none'",  # not allowed in the page's own copy
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request goes no further.

    Attributes:
        status: of HTTP.
        reason: one line for a person.
    """

    status: int
    reason: str


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address to listen on."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Gate:
    """Admits requests and hands out sessions.

    Args:
        port: that the server listens on.
        hosts: names under which it may be asked for, beside those of loopback.
        token: a standing code for servers that others reach; None = only one-time codes.
        clock: seconds, for the rate limit.
    """

    def __init__(
        self,
        port: int,
        *,
        hosts: tuple[str, ...] = (),
        token: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.port = port
        self._hosts = {host.lower().strip("[]") for host in (*LOOPBACK, *hosts)}
        self._token = token
        self._clock = clock
        self._codes: set[str] = set()
        self._sessions: set[str] = set()
        self._failures: deque[float] = deque()
        # Cookies do not know ports: without the port in its name, two live pages would end each other's session.
        self.cookie = f"teststrip-{port}"

    def code(self) -> str:
        """A new one-time code for a link."""
        code = secrets.token_urlsafe(CODE_BYTES)
        self._codes.add(code)
        return code

    def refuse(self, method: str, path: str, headers: Mapping[str, str], session: str | None) -> Refusal | None:
        """Judge a request by its host, then by the page it comes from, then by its session.

        Assets and the page that asks for a code need no session.

        Args:
            method: of HTTP.
            path: of the URL.
            headers: by their names in lower case.
            session: the value of the cookie.

        Returns:
            Why the request goes no further; None when it may go on.
        """
        if not self._knows_host(headers.get("host", "")):
            return Refusal(421, "This server is not known under that name.")
        if method not in ("GET", "HEAD", "POST"):
            return Refusal(405, "Only GET and POST are understood.")
        if refusal := self._refuse_origin(method, path, headers):
            return refusal
        if path == "/" or path == "/session" or path.startswith("/assets/"):
            return None
        if not self.knows(session):
            return Refusal(401, "Open the link that `teststrip view` printed.")
        return None

    def knows(self, session: str | None) -> bool:
        """Whether a cookie's value is a session."""
        return session is not None and any(secrets.compare_digest(session.encode(), s.encode()) for s in self._sessions)

    def enter(self, code: str) -> str | Refusal:
        """A new session for a code, which is used up if it is a one-time code; or why there is none."""
        now = self._clock()
        while self._failures and self._failures[0] <= now - 60:
            self._failures.popleft()
        if len(self._failures) >= FAILURES_A_MINUTE:
            return Refusal(429, "Too many wrong codes. Wait a minute.")
        given = code.encode()
        match = next((known for known in self._codes if secrets.compare_digest(known.encode(), given)), None)
        standing = self._token is not None and secrets.compare_digest(self._token.encode(), given)
        if match is None and not standing:
            self._failures.append(now)
            return Refusal(403, "This link was used already, or is of another run. Use the newest printed one.")
        if match is not None:
            self._codes.discard(match)
        session = secrets.token_urlsafe(CODE_BYTES)
        self._sessions.add(session)
        return session

    def _knows_host(self, value: str) -> bool:
        host, port = split_host(value)
        return host in self._hosts and port in (None, self.port)

    def _refuse_origin(self, method: str, path: str, headers: Mapping[str, str]) -> Refusal | None:
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin")
        navigation = path == "/" and method == "GET" and headers.get("sec-fetch-mode", "navigate") == "navigate"
        if site not in (None, "same-origin", "none") and not navigation:
            return Refusal(403, "Another page asked for this.")
        if origin is not None and origin != f"http://{headers.get('host', '')}":
            return Refusal(403, "Another origin asked for this.")
        if method != "POST":
            return None
        if origin is None:
            return Refusal(403, "A change needs the Origin header.")
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            return Refusal(415, "A change is sent as JSON.")
        if headers.get(HEADER) != "1":
            return Refusal(403, f"A change needs the header {HEADER}.")
        return None


def split_host(value: str) -> tuple[str, int | None]:
    """Name and port of a Host header: lower case, without brackets and trailing dot; ("", None) when malformed.

    >>> split_host("[::1]:8000"), split_host("LocalHost."), split_host("a:b")
    (('::1', 8000), ('localhost', None), ('', None))
    """
    value = value.strip().lower()
    if value.startswith("["):
        name, bracket, rest = value[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return "", None
        port = rest.removeprefix(":")
    else:
        name, _, port = value.partition(":")
        name = name.removesuffix(".")
    if port and not (port.isascii() and port.isdigit()):
        return "", None
    return name, int(port) if port else None
