"""The command: sections one after another, each part's result written at once, and what was left out."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from bench.gpu import checks, speeds
from bench.gpu.sections import Part, Section, Setup, measured

from teststrip.diffusion.heard import Ear
from teststrip.diffusion.loading import listening
from teststrip.disk import replace
from teststrip.weights.loading import devices

Sections = Mapping[str, tuple[Callable[[Setup], list[Part]], float]]
SECTIONS: Sections = {
    "bytes": (checks.same_bytes, 75),
    "memory": (checks.memory, 30),
    "equality": (checks.equality, 90),
    "rows": (speeds.rows, 40),
    "speed": (speeds.speed, 120),
    "compile": (checks.compiled, 50),
    "large": (speeds.large, 40),
}
"""What a section measures, and its limit in seconds. What is right or wrong comes first."""

CHECKS = frozenset({"bytes", "memory", "equality", "compile"})
"""The sections that are right or wrong."""

WHOLE = 480.0
"""Seconds of the whole command: what hangs longer is ended, and what was found stands in the file."""

SPARE = 15.0
"""Seconds at the end in which no part begins: the last one may take longer than was predicted."""

PACKAGES = ("torch", "diffusers", "transformers", "greenlet", "numpy")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description="What holds on one card, and how fast.")
    parser.add_argument("--out", type=Path, default=Path("bench/results/gpu.json"))
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(SECTIONS), metavar="A,B")
    parser.add_argument("--small", action="store_true", help="At a size for a processor.")
    parser.add_argument("--device", choices=devices(), default=devices()[0])
    asked = parser.parse_args(arguments)
    if unknown := set(asked.only) - SECTIONS.keys():
        parser.error(f"there is no section {', '.join(sorted(unknown))}. There are: {', '.join(SECTIONS)}")
    if asked.device == "cpu" and not asked.small:
        parser.error("there is no GPU here. Write --small for a size that a processor computes")
    setup = Setup(torch.device(asked.device), asked.small)
    ended = threading.Timer(WHOLE, _give_up)
    ended.daemon = True
    ended.start()
    result = run(setup, asked.only, asked.out)
    ended.cancel()
    print(json.dumps({name: summary(one) for name, one in result["sections"].items()}, indent=1))
    return code(result)


def code(result: Mapping[str, Any]) -> int:
    """What the command ends with.

    >>> code({"holds": None, "sections": {"rows": {"broken": {}}}})
    0
    >>> code({"holds": None, "sections": {"bytes": {"broken": {}}}})  # a check was asked for and none was measured
    4
    """
    if any(section["broken"] for section in result["sections"].values()):
        return 2
    if result["holds"] is None:
        return 0 if CHECKS.isdisjoint(result["sections"]) else 4
    return 0 if result["holds"] else 1


def run(setup: Setup, names: Iterable[str], out: Path, sections: Sections = SECTIONS) -> dict[str, Any]:
    """Measure these sections, and write the file anew after each part.

    Args:
        setup: what is measured on.
        names: of the sections.
        out: the file.
        sections: those that there are.

    Returns:
        what stands in the file.
    """
    begin = setup.clock()
    chosen = set(names)
    result: dict[str, Any] = {
        "what": "one card: what holds, and how fast",
        "small": setup.small,
        "machine": machine(setup),
        "versions": {name: _version(name) for name in PACKAGES},
        "holds": None,
        "sections": {},
        "sections left out": [name for name in sections if name not in chosen],
    }

    def write(name: str, section: Section) -> None:
        result["sections"][name] = asdict(section) | {"wrong": section.wrong, "holds": section.holds}
        checked = [one["holds"] for one in result["sections"].values() if one["holds"] is not None]
        result["holds"] = all(checked) if checked else None
        result["seconds"] = round(setup.clock() - begin, 1)
        replace(out, json.dumps(result, indent=1) + "\n")

    out.parent.mkdir(parents=True, exist_ok=True)
    with listening(Ear()):
        for name, (parts, limit) in sections.items():
            if name not in chosen:
                continue
            left = WHOLE - SPARE - (setup.clock() - begin)
            after = partial(write, name)
            after(measured(parts(setup), setup, min(limit, max(left, 0.0)), after))
    return result


def summary(section: dict[str, Any]) -> dict[str, Any]:
    """What a reader of the terminal wants to know of a section."""
    return {
        "seconds": section["seconds"],
        "measured": len(section["parts"]),
        **{name: section[name] for name in ("wrong", "broken", "left_out") if section[name]},
    }


def machine(setup: Setup) -> dict[str, Any]:
    """Card, driver and processor."""
    found: dict[str, Any] = {
        "device": setup.device.type,
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
    }
    if setup.cuda:
        seen = torch.cuda.get_device_properties(0)
        found |= {
            "card": seen.name,
            "memory GiB": round(seen.total_memory / 2**30, 1),
            "capability": f"{seen.major}.{seen.minor}",
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "driver": driver(),
            "TF32 in convolutions": torch.backends.cudnn.allow_tf32,
            "TF32 in products": torch.backends.cuda.matmul.allow_tf32,
        }
    return found


def driver(kernel: Path = Path("/proc/driver/nvidia/version")) -> str | None:
    """The version of NVIDIA's driver, from its program or, where that is missing or hangs, from the kernel."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        told = None
    if told is not None and told.returncode == 0 and told.stdout.strip():
        return told.stdout.strip().splitlines()[0]
    try:
        return kernel.read_text("utf-8", "replace").splitlines()[0]
    except (OSError, IndexError):
        return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _give_up() -> None:
    print(f"given up after {WHOLE:g} seconds; what was found stands in the file", file=sys.stderr, flush=True)
    os._exit(3)


if __name__ == "__main__":
    sys.exit(main())
