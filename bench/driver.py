"""What the driver does in a second: trivial pictures stored from 1, 2 and 4 workers, beside what the store takes.

python -m bench.driver                              all sections
python -m bench.driver --only rates --shots 500     one section, smaller

Ray is measured in a network of its own where the system gives one: `unshare -n` and the loopback interface up. Rates
count from the first image to the last, so that the start of workers is left out and told apart. The machine is shared,
so the ratios count: all of them are taken one after another, the store first and last.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from teststrip import plan as planning
from teststrip.executors.local import LocalExecutor, open_engine
from teststrip.executors.named import executor_of
from teststrip.records import Event, Saved, Study
from teststrip.store import Store
from teststrip.study import study
from teststrip.verbs.run import Session

WORKERS = (1, 2, 4)
SIDE = 16
PLACE = Path(os.environ.get("TESTSTRIP_BENCH_FOLDER", "."))
"""Where the folders of the studies lie. On a disk each image waits for the disk; in memory the driver is timed."""


def trivial(shots: int) -> Study:
    return study(
        name="trivial",
        prompts=["an owl"],
        replicates=shots,
        engine={"name": "pattern"},
        settings={"width": SIDE, "height": SIDE, "num_inference_steps": 1},
    )


def embedded(shots: int) -> Study:
    return study(
        name="embedded",
        prompts=["an owl", "a cat"],
        replicates=shots // 2,
        engine={"name": "diffusers", "device": "cpu", "batch": 4},
        settings={"model": "emoji", "num_inference_steps": 4},
    )


class Clock:
    """A tracker that notes the first and the last image, and the driver's memory on the way."""

    def __init__(self, shots: int) -> None:
        self.marks = {max(1, shots * percent // 100): f"{percent} %" for percent in (10, 50, 100)}
        self.number, self.first, self.last = 0, 0.0, 0.0
        self.megabytes: dict[str, int] = {}
        self._process = psutil.Process()

    def on_event(self, event: Event) -> None:
        if isinstance(event, Saved):
            self.number += 1
            self.last = time.perf_counter()
            self.first = self.first or self.last
            if mark := self.marks.get(self.number):
                self.megabytes[mark] = self._process.memory_info().rss // 2**20

    def close(self) -> None:
        """Holds nothing."""


def measured(asked: Study, executor: Any, shots: int) -> dict[str, Any]:
    clock = Clock(shots)
    begin = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(dir=PLACE) as place,
        Session.open(asked, Path(place) / "run", trackers=[clock], executor=executor) as session,
    ):
        session.make(session.todo())
    return {
        "images": clock.number,
        "images a second": round((clock.number - 1) / (clock.last - clock.first), 1),
        "seconds to the first": round(clock.first - begin, 1),
        "megabytes of the driver": clock.megabytes,
    }


def store_alone(shots: int) -> float:
    """Images a second that the store takes when they are made already."""
    asked = trivial(shots)
    shots_of = [planned.shot for planned in planning.of(asked)]
    renders = list(open_engine(shots_of[0].engine).render(shots_of))
    with tempfile.TemporaryDirectory(dir=PLACE) as place, Store(Path(place) / "run", write=True) as store:
        begin = time.perf_counter()
        for render in renders:
            store.add(render)
        return round(shots / (time.perf_counter() - begin), 1)


def executor(name: str, workers: int) -> Any:
    table = {"name": name, "workers": workers} | ({"num_cpus": 0.25} if name == "ray" else {})
    return LocalExecutor() if name == "local" else executor_of(name, table)


def rates(shots: int) -> dict[str, Any]:
    found: dict[str, Any] = {"store alone, before": store_alone(shots)}
    found["local"] = measured(trivial(shots), LocalExecutor(), shots)
    for name in ("processes", "ray"):
        for workers in WORKERS:
            found[f"{name}, {workers}"] = measured(trivial(shots), executor(name, workers), shots)
    return found | {"store alone, after": store_alone(shots)}


def memory(shots: int) -> dict[str, Any]:
    return measured(trivial(shots), executor("ray", 2), shots)


def overhead(shots: int) -> dict[str, Any]:
    """Seconds an image with one worker over those of this process, by turns, the best of two rounds each."""
    least: dict[str, float] = {}
    for _ in range(2):
        for name in ("local", "processes", "ray"):
            found = measured(embedded(shots), executor(name, 1), shots)
            least[name] = max(least.get(name, 0.0), found["images a second"])
    return {
        "images a second": least,
        "over local": {name: round(least["local"] / rate - 1, 3) for name, rate in least.items() if name != "local"},
    }


def cores(shots: int) -> dict[str, Any]:
    """One process with a thread a core, against a process a core; the best of two rounds."""
    if "OMP_NUM_THREADS" in os.environ:
        raise SystemExit("unset OMP_NUM_THREADS: this section compares processes that take all cores")
    number = psutil.cpu_count() or 1
    best: dict[str, float] = {}
    for _ in range(2):
        for name, workers in (("local", 1), ("processes", number)):
            found = measured(embedded(shots), executor(name, workers), shots)
            key = "local" if name == "local" else f"{name}, {workers}"
            best[key] = max(best.get(key, 0.0), found["images a second"])
    return {"images a second": best, "over local": round(best[f"processes, {number}"] / best["local"], 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench/results/driver.json"))
    parser.add_argument("--only", nargs="*", default=["rates", "memory", "overhead"])
    parser.add_argument("--shots", type=int, default=2000, help="trivial shots of each rate")
    parser.add_argument("--many", type=int, default=100_000, help="trivial shots of the memory section")
    parser.add_argument("--pictures", type=int, default=64, help="pictures of the embedded model")
    asked = parser.parse_args()
    sections = {
        "rates": lambda: rates(asked.shots),
        "memory": lambda: memory(asked.many),
        "overhead": lambda: overhead(asked.pictures),
        "cores": lambda: cores(asked.pictures),
    }
    result: dict[str, Any] = json.loads(asked.out.read_text("utf-8")) if asked.out.is_file() else {}
    result["what"] = f"images a second that the driver stores, {SIDE} pixels wide, engine pattern"
    result["cores"] = psutil.cpu_count()
    kind = "memory" if PLACE.is_relative_to("/dev/shm") else "a disk"
    for name in asked.only:
        load = os.getloadavg()[0]
        found = sections[name]()
        found["load of the machine"] = [round(load, 1), round(os.getloadavg()[0], 1)]
        result[f"{name}, the folder in {kind}"] = found
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
