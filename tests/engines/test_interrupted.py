"""Ctrl-C in the middle of a slow picture: a real `teststrip run` against a local web UI and a local ComfyUI."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.command import COMMAND, assert_no_fault, environment
from tests.hosted.comfy_service import ComfyService
from tests.hosted.service import Request
from tests.hosted.webui_service import KeepingService, Made

from teststrip import study as studies
from teststrip.hosted import configuration
from teststrip.records import Study
from teststrip.store import Store
from teststrip.verbs.run import drive

pytest.importorskip("httpx2")
pytestmark = pytest.mark.process

FOREIGN = "another person's"
ALL = 8
"""Pictures of the study."""
SLOW = 3
"""The picture that is slow, counted from 1."""


class SlowWebui(KeepingService):
    """A web UI whose third picture is slow, and where another person's picture is drawn while ours waits.

    Attributes:
        ours: the names of our tasks, as they came.
    """

    def __init__(self) -> None:
        self.ours: list[str] = []
        super().__init__()
        self.bend = self.slow
        self.before = self.options

    def slow(self, made: Made, request: Request) -> None:
        self.ours.append(request.body["force_task_id"])
        self.task = self.ours[-1]
        if len(self.ours) == SLOW:
            self.halted.wait(60)
        self.task = FOREIGN

    def is_at_it(self) -> bool:
        return len(self.ours) == SLOW and self.task == self.ours[-1]

    def check(self) -> None:
        """Our slow picture alone was interrupted, and the options are as before."""
        assert self.interrupted == [self.ours[SLOW - 1]]
        assert self.options == self.before

    def asked_of(self) -> int:
        return len(self.ours)


class SlowComfy(ComfyService):
    """ComfyUI that holds our third graph in the middle, with another person's graph behind it in the queue."""

    def is_at_it(self) -> bool:
        if len(self.ran) == SLOW - 1 and not self.holds:
            self.holds = True
        with self._lock:
            held = [ident for ident, _ in self._running]
            if held and not any(ident == FOREIGN for ident, _ in self._pending):
                self._pending.append((FOREIGN, {}))
        return bool(held)

    def check(self) -> None:
        """Our own graph alone was interrupted, and what waits behind it is still there."""
        assert len(self.interrupted) == 1
        assert FOREIGN not in (*self.interrupted, *self.deleted)
        assert [ident for ident, _ in self._pending] == [FOREIGN]
        self._pending.clear()
        self.holds = False

    def asked_of(self) -> int:
        return len(self.ran)


WEBUI: dict[str, Any] = {
    "engine": {"name": "webui", "provider": "here", "first_wait": 0.0},
    "settings": {"model": "dream", "width": 64, "height": 64, "clip_skip": 1},
}
COMFY: dict[str, Any] = {
    "engine": {"name": "comfyui", "family": "sd15", "provider": "here", "first_wait": 0.0, "threads": 1},
    "settings": {"model": "sd15.safetensors", "width": 64, "height": 64},
}


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[type[Any]], Any]]:
    """Starts a service and names it "here" in the configuration."""
    running: list[Any] = []

    def start(kind: type[Any]) -> Any:
        running.append(kind())
        (tmp_path / "config.toml").write_text(f'[providers.here]\nbase_url = "{running[-1].url}"\n')
        monkeypatch.setenv(configuration.VARIABLE, str(tmp_path / "config.toml"))
        return running[-1]

    yield start
    for service in running:
        service.close()


def wait_for(happens: Callable[[], bool], run: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while not happens():
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize(("kind", "keys"), [(SlowWebui, WEBUI), (SlowComfy, COMFY)], ids=["webui", "comfyui"])
def test_ctrl_c_in_a_slow_picture_ends_our_own_alone_and_the_study_goes_on(
    tmp_path: Path, started: Callable[[type[Any]], Any], kind: type[Any], keys: dict[str, Any]
) -> None:
    service = started(kind)
    study: Study = studies.study(
        name="slow",
        prompts=["an owl", "a rose"],
        replicates=2,
        axes={"num_inference_steps": [10, 20]},
        question={"metrics": ["sharpness"]},
        **keys,
    )
    (tmp_path / "study.toml").write_text(studies.dump(study), encoding="utf-8")
    run = subprocess.Popen(
        [*COMMAND, "run", "study.toml", "--out", "s"],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(service.is_at_it, run)
        # The first lets the picture be finished, the second ends the run. Two of one signal might arrive as one.
        os.kill(run.pid, signal.SIGTERM)
        os.kill(run.pid, signal.SIGINT)
        _, said = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == 130, said
    assert_no_fault(said)
    service.check()
    folder = tmp_path / "s"
    assert (folder / "page" / "index.html").is_file()
    with Store(folder) as store:
        assert len(store.images()) == SLOW - 1
    before = service.asked_of()
    outcome = drive(study, folder, trackers=[], views=False)
    outcome.result.close()
    assert (outcome.made, outcome.failed, outcome.left) == (ALL - SLOW + 1, 0, 0)
    assert service.asked_of() - before == outcome.made, "what was there was asked for again"
