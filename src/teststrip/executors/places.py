"""Where the worker processes of this machine run: each on its GPU, with its share of the cores and as many threads.

Loads no library of GPUs, because a worker's variables must stand before one is loaded.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from teststrip.errors import UsageError

NO_CARD: Final = ("", "-1", "NoDevFiles", "void", "none")
"""What stands in CUDA_VISIBLE_DEVICES where a machine's owner hides the cards."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker runs.

    Attributes:
        number: of no other worker.
        variables: of its environment, beside those of the driver.
        cores: the processor's cores that it keeps to; none = all.
    """

    number: int
    variables: Mapping[str, str]
    cores: tuple[int, ...] = ()


def gpus() -> list[str]:
    """The NVIDIA GPUs of this machine, as CUDA_VISIBLE_DEVICES names them. Loads no library."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        names = map(str.strip, visible.split(","))
        return list(itertools.takewhile(lambda name: name not in NO_CARD, names))  # CUDA sees none behind it either
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        told = subprocess.run(  # noqa: S603 - a program found on the PATH, without arguments of a user
            [program, "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return told.stdout.split() if told.returncode == 0 else []


def cores() -> list[int]:
    """The cores that this process may use; none where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def places(number: int | None, cards: list[str], cores: list[int]) -> list[Place]:
    """Where each worker runs: its GPU, its share of the cores, and as many threads.

    Raises:
        UsageError: no number is given, and there is no GPU.

    >>> for place in places(None, ["0", "1"], [0, 1, 2, 3]):
    ...     print(place.variables["CUDA_VISIBLE_DEVICES"], place.cores)
    0 (0, 1)
    1 (2, 3)
    """
    if number is None and not cards:
        raise UsageError("--executor processes: no GPU is seen here. Write how many processes, such as processes:4")
    number = len(cards) if number is None else number
    share = len(cores) // number
    # macOS and Windows bind no process to cores, but a worker there must not compute in one thread because of that.
    threads = max(1, share if cores else (os.cpu_count() or 1) // number)
    found = []
    for worker in range(number):
        own = tuple(cores[worker * share : (worker + 1) * share])
        variables = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(threads)}
        if cards:
            variables["CUDA_VISIBLE_DEVICES"] = cards[worker % len(cards)]
        found.append(Place(worker, variables, own))
    return found
