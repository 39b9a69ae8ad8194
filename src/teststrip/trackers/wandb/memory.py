"""What W&B was told of a study, in a file beside it: for each project, all by its digest, and each setting's step.

A step of the history can neither be changed nor taken back. So the steps are written down before they are sent, and the
first step of a run that goes on says which of them arrived. Knows no W&B, only how it names what lies on disk.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from teststrip import disk

TOLD = "told.json"


@dataclass(frozen=True, slots=True)
class Step:
    """Where in the history a setting is: its content as a digest, and whether its pictures are known to be there."""

    content: str
    at: int
    whole: bool = False


class Memory:
    """The file, for one project.

    Args:
        own: the tracker's folder.
        project: entity and project.
        server: its address; "" = what is told lies on disk, for `wandb sync`.
    """

    def __init__(self, own: Path, project: str, server: str) -> None:
        self._own, self._online = own, bool(server)
        self._all: dict[str, dict[str, Any]] = _read(own / TOLD)
        self._disk = f"on disk: {project}"
        self._this = self._all.setdefault(f"{server}: {project}" if server else self._disk, {})
        others = (entry for name, entry in self._all.items() if name.endswith(f": {project}") and name != self._disk)
        self._served = [self._this] if server else list(others)

    @property
    def where(self) -> str:
        """The address, or the command that takes what lies on disk to one; "" = not told in full."""
        on_disk, runs = self._runs(), self._own / "wandb"
        if on_disk and not self._online:
            every = "/offline-run-*" if len(on_disk) > 1 else f"/{on_disk[0].name}"
            return f"wandb sync {shlex.quote(str(runs))}{every}"
        return next((str(entry["url"]) for entry in self._served if entry.get("url")), "")

    def knows(self, digest: str) -> bool:
        """Whether all of this is told: to the server or, where it shall lie on disk, there."""
        on_disk = not self._online and self._this.get("digest") == digest and bool(self._runs())
        return on_disk or any(entry.get("digest") == digest for entry in self._served)

    def goes_on_at(self, step: int) -> None:
        """A run goes on here: the server has the steps below this one and no other."""
        found: dict[str, Any] = {}
        if self._online:
            synced = self._all.get(self._disk, {}).get("steps", {}) if self._synced() else {}
            found = {**synced, **self._this.get("steps", {})}
        self._this["steps"] = {arm: entry for arm, entry in found.items() if entry[1] < step}
        self._write()

    def will_tell(self, contents: Mapping[str, str], first: int) -> dict[str, Step]:
        """Write down that these settings are told from this step on; returns those that are there already."""
        old = {arm: Step(*entry) for arm, entry in self._this["steps"].items()}
        there = {arm: old[arm] for arm, content in contents.items() if arm in old and old[arm].content == content}
        new = {arm: Step(content, 0) for arm, content in contents.items() if arm not in there}
        steps = {**there, **{arm: replace(step, at=first + n) for n, (arm, step) in enumerate(new.items())}}
        self._this["steps"] = {arm: astuple(step) for arm, step in steps.items()}
        self._write()
        return there

    def whole(self, digest: str, url: str, places: Sequence[Path]) -> None:
        """All is told, in these runs.

        What lies on disk, says less, and was not synced goes: taking it to a server later would tell things twice.
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
        disk.replace(self._own / TOLD, json.dumps(self._all), durable=True)


def _is_synced(run: Path) -> bool:
    return any(run.glob("*.synced"))


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and all(isinstance(entry, dict) for entry in found.values()) else {}
