"""The page writes numbers as the analysis does: its `phrases.js` against `phrases.py`, over many numbers."""

from __future__ import annotations

import json
import math
import random
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from teststrip.analysis.sentences import phrases
from teststrip.records import Estimate
from teststrip.views import board

NODE = shutil.which("node")
LOAD = Path(__file__).parents[1] / "javascript" / "load.js"
pytestmark = [pytest.mark.process, pytest.mark.skipif(NODE is None, reason="no node on the PATH")]

ASK = f"""
const {{ load }} = require({json.dumps(str(LOAD))});
const Phrases = load(["phrases.js"], {{ BigInt }})("Phrases");
const [name, calls] = JSON.parse(require("node:fs").readFileSync(0, "utf-8"));
console.log(JSON.stringify(calls.map((call) => Phrases[name](...call))));
"""


def page_says(name: str, calls: Sequence[Sequence[Any]]) -> list[str]:
    """What a function of the page answers to each list of arguments."""
    done = subprocess.run(
        [str(NODE), "-e", ASK], input=json.dumps([name, calls]), capture_output=True, text=True, check=True
    )
    found: list[str] = json.loads(done.stdout)
    return found


def many() -> list[float]:
    """Numbers of all sizes: random ones, powers of ten and their neighbours, ties, short decimals, whole numbers."""
    dice = random.Random(4)
    powers = [10.0**n for n in range(-14, 19)]
    beside = [near for power in powers for near in (power * 0.99949, power * 0.9995, power * 0.9996, power * 1.005)]
    ties = [(2 * n + 1) / 2**k for k in range(1, 9) for n in range(300)]
    short = [n / 1000 for n in range(3000)]
    sizes = [dice.uniform(1, 10) * 10.0 ** dice.randint(-14, 18) for _ in range(6000)]
    anything = [struct.unpack("d", dice.randbytes(8))[0] for _ in range(2000)]
    sizes += [abs(value) for value in anything if math.isfinite(value)]
    found = [0.0, *powers, *beside, *ties, *short, *map(float, range(1, 2000, 7)), *sizes]
    return [*found, *(-value for value in found)]


def intervals() -> list[tuple[float, float, float]]:
    """Means with intervals of all widths, some without."""
    dice = random.Random(5)
    found = [(value, math.nan, math.nan) for value in (0.0, 3.0, 24.123)]
    for _ in range(6000):
        mean = dice.choice((0.0, dice.uniform(-100, 100), dice.gauss(0, 1) * 10.0 ** dice.randint(-8, 6)))
        half = dice.choice((0.0, 0.5, 0.125, dice.random(), 10.0 ** dice.uniform(-10, 4)))
        found.append((mean, mean - half, mean + half))
    return found


def unlike(name: str, calls: Sequence[Sequence[Any]], expected: Sequence[str]) -> list[object]:
    """The first calls that the page answers in another way, with both answers."""
    said = page_says(name, calls)
    return [found for found in zip(calls, said, expected, strict=True) if found[1] != found[2]][:9]


def test_a_number_is_written_alike() -> None:
    assert unlike("number", [[value] for value in many()], [phrases.number(value) for value in many()]) == []


@pytest.mark.parametrize("digits", [0, 1, 2, 3, 6, 7, 11])
def test_a_number_of_so_many_decimals_is_written_alike(digits: int) -> None:
    expected = [phrases.fixed(value, digits) for value in many()]
    assert unlike("fixed", [[value, digits] for value in many()], expected) == []


def test_a_mean_with_its_interval_is_written_alike() -> None:
    expected = [
        board.estimate(Estimate(label="", x=None, mean=mean, low=low, high=high, prompts=5, images=5))
        for mean, low, high in intervals()
    ]
    asked = [
        [{"mean": mean, "low": low if math.isfinite(low) else None, "high": high if math.isfinite(high) else None}]
        for mean, low, high in intervals()
    ]
    assert unlike("estimate", asked, expected) == []


def test_times_and_counts_are_written_alike() -> None:
    times = [value for value in many() if 0 <= value < 1e9]
    assert unlike("duration", [[value] for value in times], [phrases.duration(value) for value in times]) == []
    counts = [*range(1200), 10_000, 999_999, 1_000_000]
    assert unlike("count", [[n, "prompt"] for n in counts], [phrases.count(n, "prompt") for n in counts]) == []
