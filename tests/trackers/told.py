"""What the tests of trackers share: a small study, its truth, secrets that must go nowhere, runs that are killed."""

from __future__ import annotations

import contextlib
import math
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
from tests.command import COMMAND, command, environment

from teststrip.pictures.containers import parse
from teststrip.records import Row
from teststrip.results.result import open_result
from teststrip.verbs.run import drive

STUDY = """
name = "little"
prompts = ["an owl | a cat", {{ id = "formula", text = "=2+5 and a car" }}]
replicates = {replicates}
[engine]
name = "pattern"
seconds = {seconds}
fail = "oom: guidance_scale=7.5, num_inference_steps=2, prompt=an owl | a cat"
[settings]
width = 32
height = 32
[axes]
guidance_scale = [1, 7.5]
num_inference_steps = [2, 8]
scheduler = ["DDIMScheduler", "DPMSolverMultistepScheduler"]
[question]
metrics = ["sharpness", "contrast"]
"""

SECRETS = {
    "in the environment": "canary-7Q2env",
    "on the command line": "canary-7Q2arg",
    "in a picture": "canary-7Q2pic",
}
USER = "canary-7Q2user"


def install(site: Path, name: str, text: str, trackers: Mapping[str, str]) -> None:
    """A package of one module with entry points: name of the tracker to its class."""
    about = site / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (site / f"{name}.py").write_text(text)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{tracker} = {name}:{kind}" for tracker, kind in trackers.items()]
    (about / "entry_points.txt").write_text("\n".join(["[teststrip.trackers]", *lines, ""]))


def study_file(folder: Path, *, replicates: int = 1, seconds: float = 0.0) -> Path:
    path = folder / "little.toml"
    path.write_text(STUDY.format(replicates=replicates, seconds=seconds), encoding="utf-8")
    return path


def made(folder: Path, tracker: str, *, replicates: int = 1) -> Path:
    """A finished study that this tracker has heard of."""
    drive(study_file(folder, replicates=replicates), folder / "little", trackers=[tracker]).result.close()
    return folder / "little"


def rows_of(folder: Path) -> list[Row]:
    with open_result(folder) as result:
        return list(result.rows())


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def digests(rows: list[Row]) -> set[str]:
    return {row.image.digest for row in rows if row.image}


def means(rows: list[Row], metric: str, key: Callable[[Row], object]) -> dict[object, float]:
    found: dict[object, list[float]] = {}
    for row in rows:
        if row.image and math.isfinite(row.scores[metric]):
            found.setdefault(key(row), []).append(row.scores[metric])
    return {label: math.fsum(values) / len(values) for label, values in found.items()}


def with_canaries(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a secret wherever one might lie, and a user whose name is one."""
    for path in (folder / "little" / "images").rglob("*.png"):
        path.write_bytes(parse(path.read_bytes()).embed(SECRETS["in a picture"].encode(), SECRETS["in a picture"]))
    secrets = {"TESTSTRIP_TOKEN": SECRETS["in the environment"], "LOGNAME": USER, "USER": USER, "USERNAME": USER}
    called = [sys.executable, "-X", SECRETS["on the command line"], "-m", "teststrip", *words]
    return subprocess.run(
        called, cwd=folder, env=environment(**secrets, **more), timeout=120, check=True, capture_output=True, text=True
    )


def leaks(folder: Path) -> Iterator[str]:
    """Everything in a folder's files that should not be there."""
    assert files(folder)
    host = socket.gethostname()
    secrets = {**SECRETS, "user": USER, **({"host": host} if len(host) > 5 else {})}  # shorter ones occur by chance
    for path in files(folder):
        data, name = path.read_bytes(), str(path.relative_to(folder))
        yield from (f"{name}: {what}" for what, secret in secrets.items() if secret.encode() in data or secret in name)
        if host in re.split(r"[^\w-]", name):
            yield f"{name}: host"


def killed_run(folder: Path, tracker: str, until: Callable[[], object]) -> None:
    """Begin the study with its tracker, and kill -9 both while it runs, once `until` is true."""
    slow = study_file(folder, replicates=2, seconds=2)  # 32 places: it runs for longer than `wait_for` waits
    words = ["run", str(slow), "--out", "little", "--tracker", tracker]
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(until)
        assert process.poll() is None, "it was over already"
    finally:
        kill([*children(process), process])
        process.wait(60)


def children(process: subprocess.Popen[Any]) -> list[psutil.Process]:
    """All that a process started, its own child first; nothing once it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def kill(processes: Iterable[psutil.Process | subprocess.Popen[Any]]) -> None:
    """Kill -9 those that still live: what a tracker started may end by itself as soon as the tracker has."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def goes_on(folder: Path, tracker: str) -> None:
    """Run what was killed to its end, without waiting for pictures; some fail, as they should."""
    words = ["run", study_file(folder, replicates=2), "--out", "little", "--tracker", tracker]
    command(*words, cwd=folder, code=3)


def wait_for(there: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)
