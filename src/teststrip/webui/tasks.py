"""Our pictures under way at a server, by the ids that we gave them, and how none but ours is interrupted.

A server goes on drawing after a connection is closed, and `/interrupt` ends whatever it draws, also another person's
picture. So the server is asked first which task it is at.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Collection, Iterator
from typing import Any, Protocol

from teststrip.hosted.trouble import Trouble
from teststrip.webui.lists import API


class Talks(Protocol):
    """What reads and writes paths of a server; `web.Web` is one."""

    def get(self, path: str) -> Any:
        """The JSON value at a path; None where there is none. Raises Trouble."""
        ...

    def post(self, path: str, body: object, *, quick: bool = False) -> Any:
        """The JSON value that answers a body. Raises Trouble."""
        ...


class Tasks:
    """The tasks under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # protects the set, which the threads of requests share
        self._open: set[str] = set()

    @contextlib.contextmanager
    def one(self) -> Iterator[str]:
        """The id of a task that is under way inside of the block."""
        task = f"task(teststrip-{uuid.uuid4().hex})"
        with self._lock:
            self._open.add(task)
        try:
            yield task
        finally:
            with self._lock:
                self._open.discard(task)

    def under_way(self) -> frozenset[str]:
        """The ids of all tasks under way."""
        with self._lock:
            return frozenset(self._open)


def interrupt(web: Talks, tasks: Collection[str]) -> bool:
    """End what a server draws, where that is one of these tasks and the server says so.

    Returns:
        Whether it was interrupted.
    """
    with contextlib.suppress(Trouble):
        if tasks and _at(web) in tasks:
            web.post(f"{API}/interrupt", {}, quick=True)
            return True
    return False


def _at(web: Talks) -> str:
    """The task that a server is at; "" where it is at none, or does not say."""
    found = web.get(f"{API}/progress?skip_current_image=true")
    task = found.get("current_task") if isinstance(found, dict) else None
    return task if isinstance(task, str) else ""
