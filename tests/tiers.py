"""Which tests are quick, and a guard that keeps them quick. A plug-in of pytest that `tests/conftest.py` loads.

A test is *quick* when it loads no torch, opens no browser and starts no process. Three things give a test a heavy mark
(`torch`, `browser` or `process`): the place of its file, a fixture that it asks for, or a decorator of its own. A test
without a heavy mark is quick, so a new test of `tests/plan` needs nothing.

`--tier quick` collects no file of a heavy place, so neither torch nor a browser need be installed. A guard stands in
that tier: a test that loads torch or starts a process fails, and the message says what to do. `--tier heavy` runs the
other tests. Each test is in one of the two tiers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
HEAVY = ("torch", "browser", "process")

# A place below tests/, and the mark of each test that lies there.
PLACES = {
    "batching/*": "torch",
    "timings/*": "torch",
    "browser/*": "browser",
    "diffusion/*": "torch",
    "engines/test_craiyon*": "torch",
    "engines/test_diffusers*": "torch",
    "engines/test_imagen*": "process",
    "engines/test_option_axes.py": "torch",
    "executors/test_processes*": "process",
    "executors/test_ray*": "process",
    "faults/*": "process",
    "hostile/*": "process",
    "judges/test_local.py": "torch",
    "metrics/test_clip.py": "torch",
    "metrics/test_embedded_scorer.py": "torch",
    "metrics/test_vqa.py": "torch",
    "models/*": "torch",
    "test_cli.py": "process",
    "trackers/*": "process",
    "test_no_patches.py": "torch",  # asks whether names are modules, and so loads what they lie in
    "test_plug_ins.py": "process",
    "test_terminal.py": "process",
    "test_wheel.py": "process",
    "views/test_javascript.py": "process",
    "weights/*": "torch",
}
# A fixture, and the mark of each test that asks for it.
FIXTURES = {"models": "torch"}

# Libraries that take seconds to load. Only the extras `diffusers` and `openvino` bring them.
LIBRARIES = {"torch", "diffusers", "transformers", "accelerate", "peft", "openvino"}
# What Python tells its audit hooks before it starts a process.
STARTS = {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"}
ASKS = {
    "lscpu",
    "uname",
}  # for the processor: NumPy 1.26 when `numpy.testing` is loaded, and `platform` for clients of services


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "quick: no torch, browser or process; heavy: the other tests; all: both (default)"
    parser.addoption("--tier", choices=("quick", "heavy", "all"), default="all", help=text)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Put the guard up, but not in the process that starts pytest-xdist's workers: it runs no test."""
    runs_tests = hasattr(session.config, "workerinput") or session.config.getoption("dist", "no") == "no"
    if session.config.getoption("tier") == "quick" and runs_tests:
        sys.meta_path.insert(0, Libraries())
        sys.addaudithook(refuse_processes)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a heavy file or folder; None leaves the decision to others."""
    quick = config.getoption("tier") == "quick"
    place = collection_path / "any" if collection_path.is_dir() else collection_path
    return True if quick and mark_of(place) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        marks = {mark_of(item.path), *(FIXTURES.get(name) for name in getattr(item, "fixturenames", ()))}
        for mark in marks - {None}:
            item.add_marker(str(mark))
    tier = config.getoption("tier")
    if tier != "all":
        others = [item for item in items if is_quick(item) != (tier == "quick")]
        items[:] = [item for item in items if is_quick(item) == (tier == "quick")]
        config.hook.pytest_deselected(items=others)


def mark_of(path: Path) -> str | None:
    """The heavy mark that its place gives to a file."""
    if not path.is_relative_to(HERE):
        return None
    place = path.relative_to(HERE).as_posix()
    return next((mark for pattern, mark in PLACES.items() if fnmatch(place, pattern)), None)


def is_quick(item: pytest.Item) -> bool:
    return not any(item.get_closest_marker(mark) for mark in HEAVY)


class Libraries(MetaPathFinder):
    """Finds a heavy library, so that code may ask whether it is installed, and refuses to load it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname in LIBRARIES else None
        if spec is not None:
            spec.loader = Refusal()
        return spec


class Refusal(Loader):
    """Fails the test that loads a heavy library."""

    def exec_module(self, module: ModuleType) -> None:
        refuse(f"This test loads {module.__name__}. Mark it with @pytest.mark.torch")


def refuse_processes(event: str, arguments: tuple[object, ...]) -> None:
    """The audit hook: fails the test that starts a process."""
    if event in STARTS and not ASKS.intersection(arguments[:1]):
        refuse(f"This test starts a process ({event}: {arguments[0]!r}). Mark it with @pytest.mark.process")


def refuse(why: str) -> None:
    # pytest's failure is no Exception, so code that catches every Exception cannot hide it.
    pytest.fail(f"{why}, or add its file to PLACES in tests/tiers.py.")
