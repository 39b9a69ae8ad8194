"""What does not grow: cost a call and memory against the number of calls, with a denoiser of one operation.

python -m bench.growth                  100, 1,000 and 10,000 calls, each in a process of its own
python -m bench.growth --fill           fill of the seed's study and of 100 random step counts, as they are
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.batching import loop

COUNTS = (100, 1_000, 10_000)
STEPS = 20


def one(count: int) -> dict[str, Any]:
    """Seconds and peak memory of so many calls in this process."""
    from teststrip.batching import Batcher

    list(Batcher(loop.Loop(), rows=16).run(loop.calls([(STEPS, 5.0)] * 50)))  # imports, first allocations
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    batcher = Batcher(loop.Loop(), rows=16)
    # Made one by one: it is the batcher's memory that counts, not that of a list.
    asked = (call for number in range(count) for call in loop.calls([(STEPS + number % 7, 5.0)]))
    begin = time.perf_counter()
    made = sum(1 for _ in batcher.run(asked))
    seconds = time.perf_counter() - begin
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    steps = batcher.counts.rows / 2
    return {
        "calls": made,
        "calls_a_second": round(made / seconds, 1),
        "microseconds_a_step": round(1e6 * (seconds - batcher.counts.seconds) / steps, 1),
        "megabytes_grown": round(grown / 1024, 1),
        "fill": round(batcher.counts.fill, 4),
    }


def fills() -> dict[str, float]:
    """Of the seed's study, and of 100 random step counts with and without guidance, at 16 rows."""
    draw = random.Random(1)
    uneven = [(draw.randint(1, 200), draw.choice([1.0, 5.0])) for _ in range(100)]
    return {
        "the seed's study": loop.fill(loop.seeds_study(), 16),
        "100 random step counts": loop.fill(uneven, 16),
        "100 random step counts, first come first served": loop.fill(uneven, 16, window=1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--one", type=int)
    parser.add_argument("--out", type=Path, default=Path("bench/results/growth.json"))
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(one(asked.one)))
        return
    if asked.fill:
        print(json.dumps(fills(), indent=1))
        return
    grown = []
    for count in COUNTS:
        child = subprocess.run(
            [sys.executable, "-m", "bench.growth", "--one", str(count)], capture_output=True, text=True, check=True
        )
        grown.append(json.loads(child.stdout))
        print(grown[-1], flush=True)
    result = {"what": "calls of 20 to 26 steps with guidance, a denoiser of one operation", "growth": grown}
    result["fill"] = fills()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["fill"], indent=1))


if __name__ == "__main__":
    main()
