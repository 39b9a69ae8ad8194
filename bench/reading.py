"""What reading a study costs: by its size, and by scores in its ledger that the study does not ask for.

python -m bench.reading                 1,000,000 unasked scores; 3,000 and 10,000 places
python -m bench.reading --scores 10000 --places 1000

Each verb is a process of its own, so its peak memory is its own. The folders hold ledgers without pictures: `export
--to html` and `verify` also read every picture, which is not measured here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import teststrip
from teststrip import plan as planning
from teststrip import study as studies
from teststrip.disk import replace
from teststrip.folder import STUDY_FILE
from teststrip.metrics.pixels import Sharpness
from teststrip.records import Fingerprint, Image, Study
from teststrip.store import Store, files, ledger

ROUNDS = 5
SCORE = "INSERT INTO scores VALUES (?, ?, ?, ?)"
SCORED_PLACES = 600
MADE_BY = Fingerprint({"weights": "none"})
VIEW = "import sys, teststrip; from teststrip.views.feed import Feed; Feed(teststrip.open(sys.argv[1])).snapshot()"
# Linux counts the memory of the process that forks into its child's peak, so a small process starts the verb.
STARTER = """
import json, os, sys
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
_, status, used = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet), 0)
print(json.dumps([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""
VERBS = {
    "report": ["-m", "teststrip", "report", "{folder}", "--yes"],
    "best": ["-m", "teststrip", "best", "{folder}", "--yes"],
    "csv": ["-m", "teststrip", "export", "{folder}", "--to", "csv", "--yes"],
    "view": ["-c", VIEW, "{folder}"],
}


def study(places: int, cells: int) -> Study:
    """A study of so many places in so many cells, with 10 prompts."""
    return studies.study(
        name="sized",
        prompts=[f"prompt {number}" for number in range(10)],
        replicates=places // cells // 10,
        engine={"name": "pattern"},
        axes={"guidance_scale": [1 + number / 8 for number in range(cells)]},
        settings={"width": 16, "height": 16},
        question={"metrics": ["sharpness"]},
    )


def digest(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()


def make(folder: Path, asked: Study) -> None:
    """A finished study's folder, in which the ledger names pictures that are not on the disk.

    No store may open the folder for writing afterwards: recovery would withdraw every row without a picture.
    """
    Store(folder, write=True).close()
    replace(folder / STUDY_FILE, studies.dump(asked).encode())
    scorer = Sharpness().fingerprint()
    opened = ledger.open_to_write(folder)
    with opened.transaction() as connection:
        ledger.insert_fingerprint(connection, scorer)
        for number, planned in enumerate(planning.of(asked)):
            name = digest(number)
            made = Image(
                planned.shot.id, name, files.address(name, "png"), 16, 16, 900, 0.5, MADE_BY.id, {"denoiser_calls": 20}
            )
            ledger.insert(connection, planned.shot, MADE_BY, made)
            connection.execute(SCORE, ("sharpness", scorer.id, name, int(name[:6], 16) / 2**24))
    opened.close()
    check(folder)


def check(folder: Path) -> None:
    """Stop where a place of the study has no image or no score, because an empty study is read at once."""
    with teststrip.open(folder) as result:
        if not all(row.image and "sharpness" in row.scores for row in result.rows()):
            raise SystemExit(f"{folder}: the study is not whole, so reading it measures nothing")


def stuff(folder: Path, count: int, kind: str) -> None:
    """Put scores into the ledger that nothing asks for: of another metric, another version, or other images."""
    metric = "unasked" if kind == "metric" else "sharpness"
    version = Sharpness().fingerprint().id if kind == "images" else digest("another version")
    digests = sorted(digest(f"other {number}") for number in range(count))  # in the order of the key, as that is fast
    opened = ledger.open_to_write(folder)
    with opened.transaction() as connection:
        connection.executemany(SCORE, ((metric, version, name, 0.5) for name in digests))
    opened.close()
    check(folder)


def taken(verb: str, folder: Path) -> tuple[float, float]:
    """Seconds of processor and MB of peak memory of a verb in a process of its own."""
    words = [sys.executable, *(word.format(folder=folder) for word in VERBS[verb])]
    said = subprocess.run([sys.executable, "-S", "-c", STARTER, *words], capture_output=True, text=True, check=True)
    code, seconds, kilobytes = json.loads(said.stdout.splitlines()[-1])
    if code:
        raise SystemExit(f"{verb} {folder}: exit {code}: {said.stderr}")
    return seconds, kilobytes / 1024


def side_by_side(folders: dict[str, Path], verb: str = "report") -> dict[str, Any]:
    """Each folder's lower quartile of seconds over rounds by turns, its peak memory, and its ratio to the first."""
    seconds: dict[str, list[float]] = {name: [] for name in folders}
    memory: dict[str, float] = dict.fromkeys(folders, 0.0)
    for _ in range(ROUNDS):
        for name, folder in folders.items():
            took, held = taken(verb, folder)
            seconds[name].append(took)
            memory[name] = max(memory[name], held)
    found = {name: statistics.quantiles(own, n=4)[0] for name, own in seconds.items()}
    first = found[next(iter(found))]
    return {
        name: {"seconds": round(own, 2), "peak_mb": round(memory[name]), "ratio": round(own / first, 2)}
        for name, own in found.items()
    }


def unasked(root: Path, count: int) -> dict[str, Any]:
    """A report of a folder without and with unasked scores of each kind."""
    folders = {"none": root / "none"}
    make(folders["none"], study(SCORED_PLACES, 6))
    for kind in ("metric", "version", "images"):
        name = f"of another {kind}" if kind != "images" else "of other images"
        folders[name] = shutil.copytree(folders["none"], root / kind)
        stuff(folders[name], count, kind)
    return side_by_side(folders)


def by_size(root: Path, counts: list[int]) -> dict[str, Any]:
    """Each verb on studies of growing size."""
    found: dict[str, Any] = {}
    for places in counts:
        for cells in (5, 50):
            folder = root / f"{places}-{cells}"
            make(folder, study(places, cells))
            for verb in VERBS:
                seconds, memory = taken(verb, folder)
                found.setdefault(verb, {})[f"{places} places in {cells} cells"] = {
                    "seconds": round(seconds, 2),
                    "peak_mb": round(memory),
                }
            shutil.rmtree(folder)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=int, default=1_000_000)
    parser.add_argument("--places", type=int, nargs="+", default=[3_000, 10_000])
    parser.add_argument("--out", type=Path, default=Path("bench/results/reading.json"))
    asked = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        result = {
            "what": "processor seconds and peak memory of reading verbs, each in a process of its own",
            "unasked_scores": asked.scores,
            "report": unasked(Path(place), asked.scores),
            "by_size": by_size(Path(place), asked.places),
        }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1), f"\n{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
