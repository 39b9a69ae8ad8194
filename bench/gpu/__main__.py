"""The command: sections one after another, each result written at once, and what was left out."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from bench.gpu import checks, speeds
from bench.gpu.sections import Part, Setup, measured

from teststrip.diffusion.heard import Ear
from teststrip.diffusion.loading import listening
from teststrip.disk import replace
from teststrip.weights.loading import devices

SECTIONS: dict[str, tuple[Callable[[Setup], list[Part]], float]] = {
    "bytes": (checks.same_bytes, 75),
    "memory": (checks.memory, 30),
    "equality": (checks.equality, 90),
    "rows": (speeds.rows, 40),
    "speed": (speeds.speed, 120),
    "compile": (checks.compiled, 50),
    "large": (speeds.large, 40),
}
"""What a section measures, and its limit in seconds. What is right or wrong comes first."""

WHOLE = 480.0
"""Seconds of the whole command: what hangs longer is ended, and what was found stands in the file."""

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
    if any(one["broken"] for one in result["sections"].values()):
        return 2
    return 0 if result["holds"] else 1


def run(setup: Setup, names: Iterable[str], out: Path) -> dict[str, Any]:
    """Measure these sections, and write the file anew after each.

    Returns:
        what stands in the file.
    """
    begin = time.perf_counter()
    chosen = set(names)
    result: dict[str, Any] = {
        "what": "one card: what holds, and how fast",
        "small": setup.small,
        "machine": machine(setup),
        "versions": {name: _version(name) for name in PACKAGES},
        "holds": True,
        "sections": {},
        "sections left out": [name for name in SECTIONS if name not in chosen],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with listening(Ear()):
        for name, (parts, limit) in SECTIONS.items():
            if name not in chosen:
                continue
            left = WHOLE - 15 - (time.perf_counter() - begin)
            section = measured(parts(setup), setup, min(limit, max(left, 0.0)))
            result["sections"][name] = asdict(section) | {"wrong": section.wrong}
            result["holds"] &= not section.wrong
            result["seconds"] = round(time.perf_counter() - begin, 1)
            replace(out, json.dumps(result, indent=1) + "\n")
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
