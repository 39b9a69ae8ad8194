"""Opens the live page in the browser, and says how to reach it from another machine.

Every user of a machine can read its command lines, and the code in a link opens a session. So the browser is started
with the name of a file that only its owner can read, and that file leads to the link.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from html import escape
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from teststrip.cli.words import out
from teststrip.errors import ReaderGone
from teststrip.screen import Screen
from teststrip.views.gate import is_loopback

FORWARD = """<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={link}">
<title>Teststrip</title>
<p><a href="{link}">Open the page of the study</a></p>
"""


class Announcer:
    """Prints each link of a live page. The first one is also opened in the browser, and its tunnel is said.

    Use it as a context manager: the file that leads the browser to the link is gone at the end.

    Args:
        browser: whether to open the first link.
        screen: to print on.
        again: whether to print a new link when one was used; not into the progress bar of a run.
    """

    def __init__(self, *, browser: bool, screen: Screen = out, again: bool = True) -> None:
        self._browser, self._screen, self._again = browser, screen, again
        self._greeted = False
        self._files = ExitStack()
        self._opener: subprocess.Popen[bytes] | None = None  # kept, so that Python collects how it ended

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()
        if self._opener is not None:
            self._opener.poll()

    def __call__(self, link: str) -> None:
        """Announce a link."""
        if self._greeted and not self._again:
            return
        # A page is open by the second link, and that page must not end because the terminal is gone.
        with suppress(OSError, ReaderGone) if self._greeted else nullcontext():
            self._screen.print(f"page    {link}", markup=False)
        if not self._greeted:
            self._greet(link)

    def _greet(self, link: str) -> None:
        self._greeted = True
        if is_loopback(urlsplit(link).hostname or ""):
            said = f"tunnel  {tunnel(link)}   (on another machine; then open the link there)"
            self._screen.print(said, markup=False)
        if self._browser:
            self._opener = open_file(self._files.enter_context(forwarding(link)))


@contextmanager
def forwarding(link: str) -> Iterator[Path]:
    """A file that leads a browser to the link. Only its owner can read it, and it is gone at the end."""
    file, name = tempfile.mkstemp(prefix="teststrip-", suffix=".html")  # mkstemp gives it the mode 0600
    try:
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(FORWARD.format(link=escape(link)))
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def open_file(file: Path) -> subprocess.Popen[bytes] | None:
    """Open a page on this disk in the browser of the user, where there is one.

    Returns:
        The process that opens it, where that is one of ours.
    """
    if opener := shutil.which("xdg-open"):
        # Without a terminal, because a text browser would take it over; in a session of its own, because Ctrl-C ends
        # the server and not the browser.
        quiet = subprocess.DEVNULL
        return subprocess.Popen(  # noqa: S603 - a file of our own
            [opener, str(file)], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )
    webbrowser.open(file.as_uri())
    return None


def tunnel(link: str) -> str:
    """The command that brings the page of a link to another machine, under the same link there.

    >>> tunnel("http://[::1]:8000/#launch=x").removesuffix(socket.gethostname())
    'ssh -L 8000:[::1]:8000 '
    """
    address = urlsplit(link)
    host = f"[{address.hostname}]" if ":" in (address.hostname or "") else address.hostname
    return f"ssh -L {address.port}:{host}:{address.port} {socket.gethostname()}"
