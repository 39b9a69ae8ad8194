"""Our pictures under way at a server, by the ids that we gave them, and how none but ours is interrupted.

A server goes on drawing after a connection is closed, and `/interrupt` ends whatever it draws, also another person's
picture. So the server is asked first whether it is at our task: by `/internal/progress`, which its own page uses. The
`current_task` of `/sdapi/v1/progress` is always null in A1111, Forge and reForge; it is asked where there is no other.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Collection, Iterator
from typing import Any, Final, Literal, Protocol

from teststrip.hosted.trouble import Trouble
from teststrip.webui.lists import API

PATIENCE: Final = 3.0
"""Seconds in which a server that was interrupted comes to the end of the step that it is at."""
PAUSE: Final = 0.05
"""Seconds between two looks whether it has."""

Stage = Literal["drawn", "waiting", "elsewhere"]


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
        if any(_stage(web, task) == "drawn" for task in tasks):
            web.post(f"{API}/interrupt", {}, quick=True)
            return True
    return False


def end(web: Talks, tasks: Collection[str], seconds: float = PATIENCE) -> None:
    """Interrupt each of these tasks as the server comes to it, until it has none of them or the time is over."""
    until, told = time.monotonic() + seconds, set[str]()
    with contextlib.suppress(Trouble):
        while tasks and time.monotonic() < until:
            stages = {task: _stage(web, task) for task in tasks}
            drawn = {task for task, stage in stages.items() if stage == "drawn"} - told
            if drawn:
                web.post(f"{API}/interrupt", {}, quick=True)
                told |= drawn
            if set(stages.values()) == {"elsewhere"}:
                return
            time.sleep(PAUSE)


def _stage(web: Talks, task: str) -> Stage:
    """How far a server is with a task; "elsewhere" also where it does not say."""
    try:
        found = web.post("/internal/progress", {"id_task": task, "live_preview": False}, quick=True)
    except Trouble as trouble:
        if trouble.kind != "stop":
            raise
        found = web.get(f"{API}/progress?skip_current_image=true")
        return "drawn" if isinstance(found, dict) and found.get("current_task") == task else "elsewhere"
    said = found if isinstance(found, dict) else {}
    return "drawn" if said.get("active") is True else "waiting" if said.get("queued") is True else "elsewhere"
