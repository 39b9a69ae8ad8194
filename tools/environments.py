"""`python -m tools.environments` checks the promises of pyproject.toml in fresh environments.

* The lower bounds are true: the quick tests pass with each dependency at its lowest version. torch and what needs torch
  are not installed, because the quick tests need none of them.
* The base install works with each newer Python of this machine: it makes, reports and verifies a small study.

Takes minutes and asks the package registry. Ends with exit code 1 when a promise is broken.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = ("parquet", "test")
NEWER = [f"python3.{minor}" for minor in range(sys.version_info.minor + 1, 20)]
STUDY = """
name = "patterns"
prompts = ["an owl", "a rose"]
[engine]
name = "pattern"
[axes]
guidance_scale = [1, 7]
[question]
metrics = ["sharpness"]
"""


def lower_bounds(extras: tuple[str, ...]) -> list[str]:
    """Constraints that pin each dependency of the base and of some extras at its lower bound.

    >>> lower_bounds(())[0]
    'numpy==1.26'
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    found = [re.match(r"([\w-]+)>=([\d.]+)", one) for several in asked for one in several]
    return [f"{match[1]}=={match[2]}" for match in found if match]


def run(*words: str | Path, cwd: Path = ROOT) -> bool:
    """Run a command without the variables that lead Python to the code and packages of this environment."""
    print("+", *words, flush=True)
    outside = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(words, cwd=cwd, env=outside, check=False).returncode == 0


def lowest_versions_pass(folder: Path) -> bool:
    """Whether the quick tests pass with the lowest versions."""
    pins = folder / "lowest.txt"
    pins.write_text("\n".join(lower_bounds(EXTRAS)) + "\n", encoding="utf-8")
    python = folder / "lowest" / "bin" / "python"
    package = f"{ROOT}[{','.join(EXTRAS)}]"
    return (
        run(sys.executable, "-m", "venv", folder / "lowest")
        and run(python, "-m", "pip", "install", "--quiet", "--constraint", pins, "--editable", package)
        and run(python, "-m", "pytest", "--tier", "quick", "--numprocesses", "2", "--dist", "worksteal", "-q")
    )


def newer_pythons() -> list[Path]:
    """Each newer Python on the PATH or among pyenv's versions, that answers."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = []
    for name in NEWER:
        places = [shutil.which(name), *pyenv.glob(f"*/bin/{name}")]
        answering = [place for place in places if place and run(place, "--version")]
        found += [Path(place) for place in answering[:1]]
    return found


def base_install_works(python: Path, folder: Path) -> bool:
    """Whether the base install makes, reports and verifies a study with this Python."""
    room = folder / python.name
    command = room / "bin" / "teststrip"
    study = folder / "patterns.toml"
    study.write_text(STUDY, encoding="utf-8")
    done = folder / f"patterns-{python.name}"
    return (
        run(python, "-m", "venv", room)
        and run(room / "bin" / "python", "-m", "pip", "install", "--quiet", ROOT)
        and run(command, "plan", study)
        and run(command, "run", study, "--out", done)
        and run(command, "report", done)
        and run(command, "verify", done)
    )


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broken = [] if lowest_versions_pass(folder) else ["lowest versions"]
        pythons = newer_pythons()
        broken += [python.name for python in pythons if not base_install_works(python, folder)]
    if not pythons:
        print("no newer Python here: the base install was not tried with one")
    print("broken:", ", ".join(broken)) if broken else print("every promise holds")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
