"""The gate of the live page: who may talk to it. Decides on names and headers; knows no sockets and no studies.

Even on loopback every request needs a session, because other users of the machine and other pages in the browser reach
loopback too. A browser swaps the one-time code of a link for a cookie. The code stands in the link's fragment, which
browsers do not send to any server.

Any loopback address and any port of it is known, because a tunnel (`ssh -L`) brings the page under another port. A page
of another site still stays out: its own name can lead here (DNS rebinding), but that name is no loopback address.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

USED = (
    "This link does not open any more: it was used, or the command that made it has ended. If you were asked to "
    "vote, ask for a new link. If the study is yours, open the newest link in your terminal."
)
VOTING = "/vote"
"""The part of the live page that raters see. All else needs the session of the study's owner."""
FAILURES_A_MINUTE = 10
CODE_BYTES = 32  # 256 bits
HEADER = "x-teststrip"
JUDGED = frozenset({"host", "origin", "sec-fetch-site", "sec-fetch-mode", "content-type", "cookie", HEADER})

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
# The bytes of a picture may be a stranger's, so a browser gives them no script and no origin, whatever they are. The
# styles are the browser's own, which it puts around a picture that is opened alone. The HTML standard
# refuses a sandboxed page that has an opener policy, so pictures do without one.
PICTURE_HEADERS = {
    **{name: value for name, value in HEADERS.items() if name != "Cross-Origin-Opener-Policy"},
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
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
        hosts: names under which it may be asked for at that port, beside loopback at any port.
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
        self._hosts = {host.lower().strip("[]") for host in hosts}
        self._token = token
        self._clock = clock
        self._codes: set[str] = set()
        self._sessions: set[str] = set()
        self._raters: dict[str, str] = {}
        self._rater_sessions: dict[str, str] = {}
        self._failures: deque[float] = deque()
        # Cookies do not know ports: without the port in its name, two live pages would end each other's session.
        self.cookie = f"teststrip-{port}"
        self.rater_cookie = f"teststrip-rater-{port}"

    def code(self) -> str:
        """A new one-time code for a link."""
        code = secrets.token_urlsafe(CODE_BYTES)
        self._codes.add(code)
        return code

    def invite(self, rater: str) -> str:
        """The code of a rater's link. It opens the voting and nothing else, and works until the server ends."""
        code = secrets.token_urlsafe(CODE_BYTES)
        self._raters[code] = rater
        return code

    def refuse(
        self, method: str, path: str, headers: Mapping[str, str], session: str | None, rater: str | None = None
    ) -> Refusal | None:
        """Judge a request by its shape and host, then by the page it comes from, then by its session.

        Assets and the pages that ask for a code need no session.

        Args:
            method: of HTTP.
            path: of the URL.
            headers: by their names in lower case, as `single` gives them.
            session: the value of the owner's cookie.
            rater: the value of the cookie of a rater.

        Returns:
            Why the request goes no further; None when it may go on.
        """
        if not self._knows_host(headers.get("host", "")):
            return Refusal(421, "This server is not known under that name.")
        if method not in ("GET", "HEAD", "POST"):
            return Refusal(405, "Only GET and POST are understood.")
        if refusal := self._refuse_origin(method, path, headers):
            return refusal
        if path in ("/", VOTING, "/session") or path.startswith("/assets/"):
            return None
        if path.startswith(f"{VOTING}/") and self.rater(rater) is not None:
            return None
        if not self.knows(session):
            return Refusal(401, "Open the link that `teststrip view` printed.")
        return None

    def knows(self, session: str | None) -> bool:
        """Whether a cookie's value is a session."""
        return session is not None and any(_equal(session, known) for known in self._sessions)

    def rater(self, session: str | None) -> str | None:
        """The name of the rater whose session a cookie's value is; None where it is none."""
        if session is None:
            return None
        return next((name for known, name in self._rater_sessions.items() if _equal(session, known)), None)

    def enter_rater(self, code: str) -> str | None:
        """A new session of a rater for the code of a link; None where no rater has this code."""
        name = next((name for known, name in self._raters.items() if _equal(known, code)), None)
        if name is None:
            return None
        session = secrets.token_urlsafe(CODE_BYTES)
        self._rater_sessions[session] = name
        return session

    def enter(self, code: str) -> str | Refusal:
        """A new session for a code, which is used up if it is a one-time code; or why there is none."""
        match = next((known for known in self._codes if _equal(known, code)), None)
        if match is not None:
            # Right one-time codes are never held up: they cannot be guessed, and another program's wrong codes must
            # not keep their owner out.
            self._codes.discard(match)
        elif refusal := self._refuse_code(code):
            return refusal
        session = secrets.token_urlsafe(CODE_BYTES)
        self._sessions.add(session)
        return session

    def _refuse_code(self, code: str) -> Refusal | None:
        """Compare with the token. A person chose it, so its guesses are counted."""
        now = self._clock()
        while self._failures and self._failures[0] <= now - 60:
            self._failures.popleft()
        if len(self._failures) >= FAILURES_A_MINUTE:
            return Refusal(429, "Too many wrong codes. Wait a minute.")
        if self._token is not None and _equal(self._token, code):
            return None
        self._failures.append(now)
        return Refusal(403, USED)

    def _knows_host(self, value: str) -> bool:
        host, port = split_host(value)
        return is_loopback(host) or (host in self._hosts and port in (None, self.port))

    def _refuse_origin(self, method: str, path: str, headers: Mapping[str, str]) -> Refusal | None:
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin")
        navigation = (
            path in ("/", VOTING) and method == "GET" and headers.get("sec-fetch-mode", "navigate") == "navigate"
        )
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


def single(headers: Iterable[tuple[str, str]]) -> Mapping[str, str] | Refusal:
    """Headers by their names in lower case; or why a request goes no further because of their shape.

    A header that the gate judges by stands once, because two readers may each take another one of two. A body has one
    length, because that is how a request hides behind another one.

    >>> single([("Host", "a"), ("Accept", "x"), ("Accept", "y")])
    {'host': 'a', 'accept': 'y'}
    """
    found: dict[str, str] = {}
    for name, value in ((name.lower(), value) for name, value in headers):
        if name in found and name in JUDGED:
            return Refusal(400, f"There are two headers {name}.")
        found[name] = value
    if {"content-length", "transfer-encoding"} <= found.keys():
        return Refusal(400, "There are two lengths of the body.")
    return found


def _equal(known: str, given: str) -> bool:
    """Compare in constant time. Texts that no encoding can write are compared, too."""
    return secrets.compare_digest(known.encode("utf-8", "surrogatepass"), given.encode("utf-8", "surrogatepass"))


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
