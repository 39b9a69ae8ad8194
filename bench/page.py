"""The page in a real browser: how soon the first grid stands, and what the live page costs a running study.

python -m bench.page                    both; needs a Chromium
python -m bench.page --before CHECKOUT  the first grid alone, beside the page that another checkout writes of it

First grid: from asking for the page until every picture in sight is drawn, next to an empty page from the same disk,
in turn. Live: a study on the embedded model, made with and without the live page open in a browser, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from tests.browser.conftest import CHROMIUM, FLAGS

from teststrip.verbs.run import drive

STUDY = """
name = "grid"
prompts = [{prompts}]
replicates = {replicates}
[engine]
name = "pattern"
[settings]
width = {side}
height = {side}
[axes]
guidance_scale = [{guidance}]
num_inference_steps = [{steps}]
[question]
metrics = ["sharpness"]
"""
LIVE = """
name = "live"
prompts = ["an owl", "a red car", "a castle", "a rose"]
replicates = 6
[axes]
guidance_scale = [3, 5, 7]
num_inference_steps = [4, 8, 12]
"""
DRAWN = """() => {
  const seen = [...document.images].filter((image) => image.getBoundingClientRect().top < innerHeight);
  return seen.length > 0 && seen.every((image) => image.complete && image.naturalWidth > 0);
}"""


def study(folder: Path, *, prompts: int, replicates: int, levels: tuple[int, int], side: int) -> Path:
    """A study made by the engine without weights; the address of its page."""
    text = STUDY.format(
        prompts=", ".join(f'"picture number {n}"' for n in range(prompts)),
        replicates=replicates,
        guidance=", ".join(str(n + 1) for n in range(levels[0])),
        steps=", ".join(str(n + 1) for n in range(levels[1])),
        side=side,
    )
    toml = folder.with_suffix(".toml")
    toml.write_text(text, encoding="utf-8")
    drive(toml, folder, trackers=[]).result.close()
    return folder / "page" / "index.html"


def seconds_to(page: Page, address: str, drawn: str) -> float:
    """From a blank tab until `drawn` holds and has been painted."""
    page.goto("about:blank")
    begin = time.perf_counter()
    page.goto(address)
    page.wait_for_function(drawn)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return time.perf_counter() - begin


def as_before(address: Path, checkout: Path) -> Path:
    """The page that the code of another checkout writes of the study of a page; its address."""
    folder = address.parents[1]
    copy = folder.with_name(f"{folder.name}-before")
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "page")
    code = "from teststrip.results.result import open_result\nfrom teststrip.views import page\nimport pathlib, sys\n"
    code += "with open_result(sys.argv[1]) as result: page.write(result, pathlib.Path(sys.argv[1]) / 'page')"
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve() / "src")}
    subprocess.run([sys.executable, "-c", code, copy], check=True, env=environment)
    return copy / "page" / "index.html"


def first_grids(browser: Browser, room: Path, rounds: int, before: Path | None = None) -> dict[str, Any]:
    """Median seconds of the empty page, a study of 480 pictures and one of 10,000; they take turns.

    With another checkout also those of its pages, and how many times as long the present ones take.
    """
    empty = room / "empty.html"
    empty.write_text("<!doctype html><title>empty</title><p>empty", encoding="utf-8")
    small = study(room / "small", prompts=5, replicates=6, levels=(4, 4), side=128)
    large = study(room / "large", prompts=25, replicates=4, levels=(10, 10), side=64)
    ways = {
        "empty page": (empty.as_uri(), "() => document.readyState === 'complete'"),
        "480 pictures": (small.as_uri(), DRAWN),
        "10,000 pictures": (large.as_uri(), DRAWN),
    }
    if before:
        ways["480 pictures before"] = (as_before(small, before).as_uri(), DRAWN)
        ways["10,000 pictures before"] = (as_before(large, before).as_uri(), DRAWN)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    for turn in range(rounds + 1):
        # Each way comes as often early in its turn as late, because a machine with other work slows in waves.
        for name, (address, drawn) in list(ways.items())[:: 1 if turn % 2 else -1]:
            seconds = seconds_to(page, address, drawn)
            if turn:  # the first one warms the caches
                taken[name].append(seconds)
    page.close()
    found = {name: round(statistics.median(seconds), 3) for name, seconds in taken.items()}
    for name in ("480 pictures", "10,000 pictures") if before else ():
        ratios = [now / then for now, then in zip(taken[name], taken[f"{name} before"], strict=True)]
        found[f"{name}, ratio"] = round(statistics.median(ratios), 3)
    return found


@contextmanager
def watched(browser: Browser, folder: Path) -> Iterator[None]:
    """The live page of a folder, open in a tab."""
    command = [sys.executable, "-m", "teststrip", "view", str(folder), "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    link = server.stdout.readline().split(maxsplit=1)[1].strip()
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    try:
        page.goto(link)
        page.wait_for_selector("[role=gridcell]")
        yield
    finally:
        page.close()
        server.terminate()
        server.wait()


def seconds_of_run(toml: Path, folder: Path) -> float:
    """Seconds that a run in a process of its own needs for what is missing, loading and conclusions left out."""
    code = (
        "import sys, time; from teststrip.verbs.run import drive; from teststrip.records import Saved\n"
        "class Watch:\n"
        "    times = []\n"
        "    def on_event(self, event):\n"
        "        if isinstance(event, Saved): self.times.append(time.perf_counter())\n"
        "    def close(self): pass\n"
        "drive(sys.argv[1], sys.argv[2], trackers=[Watch()], views=False).result.close()\n"
        "print(Watch.times[-1] - Watch.times[0])"
    )
    done = subprocess.run([sys.executable, "-c", code, toml, folder], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def live_cost(browser: Browser, room: Path, rounds: int) -> dict[str, Any]:
    """Seconds from the first picture to the last, without and with the live page; they take turns."""
    toml = room / "live.toml"
    toml.write_text(LIVE, encoding="utf-8")
    alone, seen = [], []
    for turn in range(rounds):
        ways = [("alone", alone), ("seen", seen)]
        for name, taken in ways if turn % 2 == 0 else ways[::-1]:
            folder = room / f"{name}-{turn}"
            drive(toml, folder, trackers=[], views=False, limit=1).result.close()  # something to look at
            if name == "seen":
                with watched(browser, folder):
                    taken.append(seconds_of_run(toml, folder))
            else:
                taken.append(seconds_of_run(toml, folder))
            print(name, round(taken[-1], 1), flush=True)
    ratios = [b / a for a, b in zip(alone, seen, strict=True)]
    return {
        "images": 4 * 6 * 9 - 1,
        "seconds_alone": [round(x, 1) for x in alone],
        "seconds_with_the_live_page": [round(x, 1) for x in seen],
        "slower_by": round(statistics.median(ratios) - 1, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path, help="another checkout of this repository")
    parser.add_argument("--out", type=Path, default=Path("bench/results/page.json"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        result: dict[str, Any] = {"what": "the page in headless Chromium, software rendering", "rounds": asked.rounds}
        result["first_grid_seconds"] = first_grids(browser, Path(place), asked.rounds, asked.before)
        print(result["first_grid_seconds"], flush=True)
        if not asked.before:
            result["live"] = live_cost(browser, Path(place), asked.rounds)
        result["machine"] = {"cpu": platform.processor() or platform.machine(), "browser": browser.version}
        browser.close()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
