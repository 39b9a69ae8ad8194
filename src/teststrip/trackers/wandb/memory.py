"""What was sent to W&B of a study, in a file beside it: for each project, a digest of all, and each setting's step.

A step of the history can neither be changed nor taken back. So the steps are written down before they are sent, and the
first step of a run that goes on says which of them arrived. Knows no W&B, only how it names its runs on disk.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from teststrip.store import inside

_MOST_BYTES = 64 * 2**20  # of the file: a line of about 200 bytes for each setting
FILE = "told.json"  # so called since the first version, whose folders must be known again


@dataclass(frozen=True, slots=True)
class Sent:
    """A step of the history that was sent.

    Attributes:
        content: its content as a digest.
        at: its number in the history.
        whole: whether its pictures are known to have arrived.
    """

    content: str
    at: int
    whole: bool = False


class Memory:
    """The file, for one project.

    Args:
        own: the tracker's folder.
        project: entity and project.
        server: its address; "" = the runs lie on disk, for `wandb sync`.
    """

    def __init__(self, own: Path, project: str, server: str) -> None:
        self._own, self._online = own, bool(server)
        self._all: dict[str, dict[str, Any]] = _read(own)
        self._disk = f"on disk: {project}"
        self._this = self._all.setdefault(f"{server}: {project}" if server else self._disk, {})
        others = (entry for name, entry in self._all.items() if name.endswith(f": {project}") and name != self._disk)
        self._served = [self._this] if server else list(others)

    @property
    def where(self) -> str:
        """The address, or the command that takes the runs on disk to a server; "" = not sent in full."""
        on_disk, runs = self._runs(), self._own / "wandb"
        if on_disk and not self._online:
            every = "/offline-run-*" if len(on_disk) > 1 else f"/{on_disk[0].name}"
            return f"wandb sync {shlex.quote(str(runs))}{every}"
        return next((str(entry["url"]) for entry in self._served if entry.get("url")), "")

    def knows(self, digest: str) -> bool:
        """Whether everything with this digest was sent to the server or, without one, lies on disk."""
        on_disk = not self._online and self._this.get("digest") == digest and bool(self._runs())
        return on_disk or any(entry.get("digest") == digest for entry in self._served)

    def goes_on_at(self, step: int) -> None:
        """Forget the steps from this one on: a run goes on here, and the server has the steps below."""
        found: dict[str, Any] = {}
        if self._online:
            synced = self._all.get(self._disk, {}).get("steps", {}) if self._synced() else {}
            found = {**synced, **self._this.get("steps", {})}
        self._this["steps"] = {arm: entry for arm, entry in found.items() if entry[1] < step}
        self._write()

    def will_send(self, contents: Mapping[str, str], first: int) -> dict[str, Sent]:
        """Write down the steps that are about to be sent.

        Args:
            contents: a digest for each setting.
            first: the number of the first step.

        Returns:
            The steps that are there already; they are not sent again.
        """
        old = {arm: Sent(*entry) for arm, entry in self._this["steps"].items()}
        there = {arm: old[arm] for arm, content in contents.items() if arm in old and old[arm].content == content}
        new = {arm: Sent(content, 0) for arm, content in contents.items() if arm not in there}
        steps = {**there, **{arm: replace(step, at=first + n) for n, (arm, step) in enumerate(new.items())}}
        self._this["steps"] = {arm: astuple(step) for arm, step in steps.items()}
        self._write()
        return there

    def whole(self, digest: str, url: str, places: Sequence[Path]) -> None:
        """Write down that everything was sent, in these runs.

        Runs on disk that hold less and were not synced are deleted: syncing them later would send things twice.
        """
        steps = {arm: (content, at, True) for arm, (content, at, _) in self._this.get("steps", {}).items()}
        self._this.update(digest=digest, url=url, steps=steps)
        if not self._online:
            self._this.update(runs=[place.name for place in places], place=str(self._own))
        elif not self._synced():
            self._all.pop(self._disk, None)
        self._write()
        kept = {name for entry in self._all.values() for name in entry.get("runs", [])}
        for run in (self._own / "wandb").glob("offline-run-*"):
            if run.name not in kept and not _is_synced(run):
                shutil.rmtree(run, ignore_errors=True)

    def _runs(self) -> list[Path]:
        """The runs on disk. They name files by absolute paths, so there are none where the study was moved."""
        entry = self._all.get(self._disk, {})
        runs = [self._own / "wandb" / name for name in entry.get("runs", [])]
        return runs if entry.get("place") == str(self._own) and all(run.is_dir() for run in runs) else []

    def _synced(self) -> bool:
        return any(_is_synced(run) for run in self._runs()[:1])

    def _write(self) -> None:
        # Durable, because the server keeps a step even where a power cut would make this file forget it.
        inside.write(self._own, FILE, json.dumps(self._all), durable=True)


def _is_synced(run: Path) -> bool:
    return any(run.glob("*.synced"))


def _read(own: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(inside.read(own, FILE, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and all(isinstance(entry, dict) for entry in found.values()) else {}
