"""How often the verdicts are wrong on studies of `bench.worlds`: one row a promise, with its goal and its bound.

    python -m bench.verdicts                      the whole campaign, to bench/results/verdicts.json and the docs
    python -m bench.verdicts --share 0.01         a hundredth of the studies of each row
    python -m bench.verdicts --page               the page of the docs from the results that are there
    python -m bench.verdicts --only best plan     the rows whose key begins so; others stay as they are in the file

Two processes share the work in blocks. Each finished block is a line of a journal beside the results, so that a
campaign that was stopped goes on; blocks that another state of the code has judged do not count.

Judges through the doors that a user has (`Judge`) and knows nothing of what lies behind them. To add a row, write a
trial: one study in, and out whether the thing counted has happened, or None where the study was given no verdict.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from bench import worlds
from bench.worlds import World
from scipy import stats

import teststrip
from teststrip import analysis, plan, study
from teststrip.analysis.power import outlook
from teststrip.analysis.power.power import Variances
from teststrip.records import Card, Comparison, Finding

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results" / "verdicts.json"
PAGE = ROOT / "docs" / "verdicts-calibration.md"
PROCESSES = 2
BLOCK_SECONDS = 20.0
"""About how long a block takes: what a campaign that is stopped may lose."""
FEWEST = 40
"""Studies of a row in the smallest campaign."""
SURE = 0.99
"""Of each of the two bounds of an estimate."""
SCORE = Card("score", higher_is_better=True)

Columns = dict[str, list[Any]]
Rng = np.random.Generator
Answer = bool | None
Named = tuple[tuple[float, ...], bool]
Scope = Literal["these prompts", "prompts like these"]
WIDE: Scope = "prompts like these"
NARROW: Scope = "these prompts"
State = Literal["held", "open", "broken", "no answer"]


@dataclass(frozen=True)
class Judge:
    """The doors of the product.

    Attributes:
        findings: what is concluded from columns. The margin is in score units where `in_units`, else in seed SD; what
            would settle an open question is only reckoned where `outlook` is asked for.
        recommend: the setting named for columns, as its levels, and whether it is named as the winner and not only as
            the one to take if one must be named now; None where there is none.
        named: how many prompts `plan` asks for to show that the levels of a world are equal; None = it names none.
    """

    findings: Callable[..., Sequence[Finding]]
    recommend: Callable[[World, Columns], Named | None]
    named: Callable[..., int | None]


def _findings(
    world: World,
    columns: Columns,
    *,
    in_units: bool = True,
    shared: bool = False,
    scope: Scope = "prompts like these",
    outlook: bool = False,
) -> Sequence[Finding]:
    return analysis.findings(
        columns,
        {SCORE.name: SCORE},
        axes=list(world.axes),
        margin={SCORE.name: world.margin} if in_units else world.margin,
        shared_seeds=shared,
        scope=scope,
        outlook=outlook,
    )


def _recommend(world: World, columns: Columns) -> Named | None:
    margin = {SCORE.name: world.margin}
    made = analysis.recommend(columns, SCORE, axes=list(world.axes), margin=margin, scope=WIDE)
    if made.choice is None:
        return None
    return tuple(float(label) for _, label in made.choice.levels), getattr(made, "settled", True)


@cache
def _named(levels: int, seeds: int, *, in_units: bool) -> int | None:
    """The number in the sentence about equality: what `plan` prints is all that a user is promised."""
    world = worlds.guided(levels)
    asked = study.study(
        name="promise",
        prompts=[f"prompt {i}" for i in range(6)],
        replicates=seeds,
        engine={"name": "pattern"},
        axes={axis: list(values) for axis, values in world.axes.items()},
        question={"metrics": ["sharpness"], "margin": {"sharpness": world.margin} if in_units else world.margin},
    )
    spread = Variances(residual=world.shot, interaction=world.own, seed=1.0, metric="sharpness" if in_units else "")
    for line in map(str, outlook.of_study(asked, plan.of(asked).cells, spread)):
        found = re.search(rf"([\d,]+) prompts × {seeds} seed", line)
        if "equal" in line and found:
            return int(found[1].replace(",", ""))
    return None


PRODUCT = Judge(_findings, _recommend, _named)


def about_axes(found: Iterable[Finding], scope: Scope = WIDE) -> list[Finding]:
    """The findings about one axis each, in this scope. A finding without a scope speaks of prompts like these."""
    return [f for f in found if f.kind == "axis" and getattr(f, "scope", WIDE) == scope]


def verdict_of(found: Iterable[Finding], scope: Scope = WIDE) -> str | None:
    """The verdict on the only axis of a study; None where there is none in this scope."""
    chosen = about_axes(found, scope)
    return chosen[0].verdict if chosen else None


def planned(found: Iterable[Finding], scope: Scope = WIDE) -> list[str]:
    """All verdicts on axes and interactions: the family of a score."""
    return [f.verdict for f in found if f.kind in ("axis", "interaction") and getattr(f, "scope", WIDE) == scope]


def pair(found: Iterable[Finding], high: float, low: float, scope: Scope = WIDE) -> Comparison | None:
    """The row that compares two levels of the only axis."""
    for finding in about_axes(found, scope):
        for row in finding.comparisons:
            levels = {float(level.label) for level in (*row.asked.plus, *row.asked.minus)}
            if row.asked.kind == "pair" and levels == {high, low}:
                return row
    return None


# Trials: one study each.


def named_is_worse(world: World, rng: Rng, judge: Judge) -> Answer:
    """The setting named as the winner is worse than the best by more than the margin. Naming none is no error."""
    named = judge.recommend(world, world.study(rng).columns)
    return named is not None and named[1] and world.behind(named[0]) > world.margin


def names_rare_level(world: World, rng: Rng, judge: Judge) -> Answer:
    """The setting named, as the winner or not, has the last level, of which few prompts have pictures."""
    (levels,) = world.axes.values()
    named = judge.recommend(world, world.study(rng).columns)
    return named is not None and named[0] == (levels[-1],)


def names_the_best(world: World, rng: Rng, judge: Judge) -> Answer:
    """The best setting is named as the winner."""
    return judge.recommend(world, world.study(rng).columns) == (world.best()[0], True)


def equal_at_margin(world: World, rng: Rng, judge: Judge, *, high: float, low: float, in_units: bool) -> Answer:
    """Two levels whose true difference is the margin are called equivalent."""
    row = pair(judge.findings(world, world.study(rng).columns, in_units=in_units), high, low)
    return row is not None and row.verdict == "equivalent"


def promise_kept(world: World, rng: Rng, judge: Judge, *, in_units: bool) -> Answer:
    """A study of as many prompts as `plan` names for equality finds it, where all levels are equal."""
    (levels,) = world.axes.values()
    prompts = judge.named(len(levels), world.seeds, in_units=in_units)
    if prompts is None:
        return None
    columns = world.study(rng, prompts).columns
    return verdict_of(judge.findings(world, columns, in_units=in_units)) == "equivalent"


def more_prompts_do(world: World, rng: Rng, judge: Judge, *, truth: Literal["equal", "as seen"]) -> Answer:
    """After as many more prompts as an undecided pilot asks for there is the verdict that was promised.

    Where all levels are equal the same study goes on until equality is found; where the truth is what the pilot saw, a
    new one of all prompts is drawn to find the difference. None = the pilot had a verdict already, or says that none is
    within reach (more than 3,000 prompts count as that).
    """
    pilot = world.study(rng)
    found = about_axes(judge.findings(world, pilot.columns, outlook=True))
    if not found or found[0].verdict != "inconclusive":
        return None
    more = found[0].more_prompts if truth == "equal" else found[0].prompts_if_different
    if not more or more > 3_000:
        return None
    if truth == "equal":
        columns = worlds.joined(pilot, world.study(rng, more, first=world.prompts))
    else:
        seen = {float(level.label): level.mean for level in found[0].levels}
        world = replace(world, mean=lambda level: seen[level])
        columns = world.study(rng, world.prompts + more).columns
    return verdict_of(judge.findings(world, columns)) == ("equivalent" if truth == "equal" else "different")


def headline_covers(world: World, rng: Rng, judge: Judge) -> Answer:
    """The interval of the headline holds 0, where nothing differs."""
    (found,) = about_axes(judge.findings(world, world.study(rng).columns)) or (None,)
    return None if found is None or math.isnan(found.low) else found.low <= 0 <= found.high


def says_different(world: World, rng: Rng, judge: Judge, *, scope: Scope = WIDE, shared: bool = False) -> Answer:
    """Any axis or interaction is called different, where nothing differs."""
    given = planned(judge.findings(world, world.study(rng).columns, shared=shared, scope=scope), scope)
    return "different" in given if given else None


def says_different_with_few(world: World, rng: Rng, judge: Judge) -> Answer:
    """The axis is called different where nothing differs on average, but a few prompts of the study answer strongly.

    A study that has none of these prompts cannot know of them, so it is not counted (docs/decisions/0018).
    """
    drawn = world.study(rng)
    moved = drawn.each.reshape(len(drawn.each), -1)
    if not (np.ptp(moved, axis=1) > world.rare).any():
        return None
    return "different" in planned(judge.findings(world, drawn.columns))


def says_different_while_looking(world: World, rng: Rng, judge: Judge) -> Answer:
    """The axis is called different at any look; there is a look every five prompts, from ten on."""
    drawn = world.study(rng)
    looks = (drawn.first(prompts) for prompts in range(10, world.prompts + 1, 5))
    return any(verdict_of(judge.findings(world, columns)) == "different" for columns in looks)


def opposites_called_equal(world: World, rng: Rng, judge: Judge) -> Answer:
    """Prompts that answer in opposite ways are called equivalent, and not with the words "on average" alone."""
    found = about_axes(judge.findings(world, world.study(rng).columns))
    return any(f.verdict == "equivalent" and not getattr(f, "on_average", False) for f in found)


def here_is_covered(world: World, rng: Rng, judge: Judge) -> Answer:
    """The interval for these prompts holds what is true of these prompts."""
    drawn = world.study(rng)
    (levels,) = world.axes.values()
    row = pair(judge.findings(world, drawn.columns, scope=NARROW), levels[-1], levels[0], NARROW)
    if row is None or math.isnan(row.low):
        return None
    here = dict(zip(levels, drawn.here, strict=True))
    return row.low <= here[float(row.asked.plus[0].label)] - here[float(row.asked.minus[0].label)] <= row.high


# The table.

Trial = Callable[[World, Rng, Judge], Answer]


@dataclass(frozen=True)
class Row:
    """One promise.

    Attributes:
        key: names the row in files; its first word is its group.
        what: what is counted, for people.
        world: what the studies are drawn from.
        trial: one study.
        before: the figure that was found when the promise was written down; "" = none.
        least: the share may not be smaller.
        most: the share may not be larger.
        studies: of the whole campaign.
        silent: what it means when no study is given a verdict that could be counted.
        due: False = measured and shown, but promised for later.
    """

    key: str
    what: str
    world: World
    trial: Trial
    before: str = ""
    least: float = 0.0
    most: float = 1.0
    studies: int = 10_000
    silent: Literal["held", "no answer"] = "no answer"
    due: bool = True

    @property
    def goal(self) -> str:
        """The goal in words."""
        if self.least <= 0:
            text = f"≤ {self.most * 100:g} %" if self.most else "0"
        else:
            text = f"≥ {self.least * 100:g} %" if self.most >= 1 else f"{self.least * 100:g}–{self.most * 100:g} %"
        return text if self.due else f"{text}, later"


@dataclass(frozen=True)
class Count:
    """What was counted.

    Attributes:
        hits: studies in which it happened.
        counted: studies in which it could happen.
        studies: all of them.
        seconds: of one processor.
    """

    hits: int = 0
    counted: int = 0
    studies: int = 0
    seconds: float = 0.0

    def __add__(self, other: Count) -> Count:
        return Count(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def estimate(self) -> float:
        """The share; NaN where nothing was counted."""
        return self.hits / self.counted if self.counted else math.nan

    @property
    def bounds(self) -> tuple[float, float]:
        """The share lies above the first in 99 % of campaigns, and below the second in 99 % (Clopper-Pearson)."""
        if not self.counted:
            return math.nan, math.nan
        misses = self.counted - self.hits
        low = stats.beta.ppf(1 - SURE, self.hits, misses + 1) if self.hits else 0.0
        high = stats.beta.ppf(SURE, self.hits + 1, misses) if misses else 1.0
        return float(low), float(high)


def astuple(count: Count) -> tuple[Any, ...]:
    """Its fields."""
    return tuple(asdict(count).values())


def state(row: Row, count: Count) -> State:
    """Broken = a bound of 99 % lies beyond the limit; held = the estimate keeps it and so do both bounds; else open.

    A limit of 0 or 1 is held while nothing was seen to break it.

    >>> state(Row("x", "", worlds.guided(2), says_different, most=0.05), Count(30, 1000, 1000))
    'held'
    """
    if not count.counted:
        return row.silent
    low, high = count.bounds
    if low > row.most or high < row.least:
        return "broken"
    above = row.most > 0 and high > row.most
    below = row.least < 1 and low < row.least
    return "open" if above or below else "held"


def rows() -> list[Row]:
    """The table of promises, in its order."""
    return [*_of_best(), *_of_equality(), *_of_plan(), *_of_difference(), *_of_these_prompts(), *_of_looks()]


def _of_best() -> Iterator[Row]:
    most, worse = 0.05, "`best` names a setting worse than the best by more than the margin"
    for prompts, before in ((20, "75 %"), (40, "80 %"), (150, "94 %")):
        what = f"{worse}: interaction without a linear part, {prompts} prompts"
        yield Row(f"best twisted {prompts}", what, worlds.twisted(prompts), named_is_worse, before, most=most)
    for prompts, before in ((12, "92 %"), (40, "94 %"), (150, "99 %")):
        what = f"{worse}: an excluded combination, {prompts} prompts"
        yield Row(f"best excluded {prompts}", what, worlds.holed(prompts), named_is_worse, before, most=most)
    for prompts in (12, 40, 150):
        what = f"{worse}: a half-refused combination, {prompts} prompts"
        yield Row(f"best refused {prompts}", what, worlds.holed(prompts, refused=True), named_is_worse, most=most)
    for prompts, before in ((1, "16 %"), (2, "12 %"), (3, "7 %"), (5, "4 %")):
        what = f"`best` names a level made for {prompts} of 40 prompts"
        yield Row(f"best rare {prompts}", what, worlds.rare(prompts), names_rare_level, before, most=0.0)
    # Who names nothing breaks no promise above; here it is broken.
    what = "`best` names the best setting, which leads by five margins, 20 prompts"
    yield Row("best leads", what, worlds.leading(20), names_the_best, least=0.9)


def _of_equality() -> Iterator[Row]:
    most = 0.055
    for prompts, before in ((10, "59 %"), (30, "22 %"), (120, "14 %")):
        what = f"“equivalent” with the truth at the margin: 0/1 scores, {prompts} prompts"
        trial = partial(equal_at_margin, high=4.0, low=3.0, in_units=True)
        yield Row(f"equal coin {prompts}", what, worlds.coin(prompts), trial, before, most=most)
    what = "“equivalent” with the truth at the margin: two broken levels of five, 30 prompts"
    trial = partial(equal_at_margin, high=64.0, low=32.0, in_units=False)
    yield Row("equal broken", what, worlds.broken_levels(30), trial, "93 %", most=most)
    what = "“equivalent”, and not “on average”, where half of 100 prompts gain and half lose"
    yield Row("equal opposed", what, worlds.opposed(100), opposites_called_equal, most=0.05)


def _of_plan() -> Iterator[Row]:
    before = {2: "77 %", 4: "40 %", 8: "10 %"}
    for levels in (2, 4, 8):
        for seeds, units in ((2, False), (1, False), (1, True)):
            margin = "the margin in score units" if units else "the margin in SD"
            what = f"equality found at the n that `plan` names: {levels} levels, seeds a prompt: {seeds}, {margin}"
            yield Row(
                f"plan {levels} levels {seeds} {'units' if units else 'SD'}",
                what,
                worlds.guided(levels, seeds=seeds),
                partial(promise_kept, in_units=units),
                "" if units else before[levels] if seeds == 2 else "0–1 %",
                least=0.76,
                most=0.84,
                studies=1_000,
                # With one seed a prompt the seed SD cannot be seen: naming no number is the right answer.
                silent="held" if seeds == 1 and not units else "no answer",
            )
    for truth in ("equal", "as seen"):
        for levels, told in ((2, "93 %"), (4, "69 %"), (8, "31 %")):
            told_truth = "levels are equal" if truth == "equal" else "the truth is what was seen"
            yield Row(
                f"more {levels} levels {truth}",
                f"a verdict after “N more prompts”: {levels} levels, pilot of 12 × 2, {told_truth}",
                worlds.guided(levels, prompts=12),
                partial(more_prompts_do, truth=truth),
                told,
                least=0.75,
                most=0.85,
                studies=1_000,
            )


def _of_difference() -> Iterator[Row]:
    covers, before = "the headline's interval holds 0 when nothing differs", "45–92 %"
    for levels, prompts in ((2, 12), (4, 12), (8, 12), (4, 30)):
        what = f"{covers}: {levels} levels, {prompts} prompts"
        world = worlds.guided(levels, prompts=prompts)
        yield Row(f"headline {levels} levels {prompts}", what, world, headline_covers, before, least=0.935)
    wrong = "a false “different”"
    for prompts, told in ((6, "12 %"), (10, "13 %"), (20, "10 %")):
        what = f"{wrong}: a tenth of all prompts carries an effect of +4, {prompts} prompts, some of them such"
        yield Row(f"different few {prompts}", what, worlds.few(prompts), says_different_with_few, told, most=0.06)
        what = f"the same, whether or not the study has such a prompt, {prompts} prompts"
        yield Row(f"different any {prompts}", what, worlds.few(prompts), says_different, told, most=0.06, due=False)
    for prompts in (10, 30):
        what = f"{wrong}: {prompts} prompts that share four seeds"
        trial = partial(says_different, shared=True)
        world = worlds.same_seeds(prompts)
        yield Row(f"different shared {prompts}", what, world, trial, "26–52 %", most=0.06, silent="held")
    others = ("random slopes", "heavy tails", "three axes")
    for name in others:
        what = f"{wrong}: {name}, {worlds.ALL[name].prompts} prompts"
        yield Row(f"different {name}", what, worlds.ALL[name], says_different, most=0.06)


def _of_these_prompts() -> Iterator[Row]:
    covers = "the interval for these prompts holds their truth"
    loud = {"variances 1:4": worlds.every_second(2.0), "one prompt six-fold": worlds.one_prompt(6.0)}
    for prompts, seeds in ((1, 6), (5, 6), (20, 3), (5, 2), (12, 2)):
        most = 0.97 if seeds > 2 else 1.0
        what, world = f"{covers}: {prompts} × {seeds}", worlds.these(prompts, seeds)
        yield Row(f"these covers {prompts}x{seeds}", what, world, here_is_covered, least=0.93, most=most)
    for name, scatter in loud.items():
        what, world = f"{covers}: 5 × 6, {name}", worlds.these(5, 6, scatters=(scatter,))
        yield Row(f"these covers {name}", what, world, here_is_covered, least=0.93, most=0.97)
    what, world = f"{covers}: 5 × 6, heavy tails", worlds.these(5, 6, noise=worlds.heavy)
    yield Row("these covers heavy tails", what, world, here_is_covered, least=0.93)
    trial = partial(says_different, scope=NARROW)
    for name, scatters in {"": (), **{name: (scatter,) for name, scatter in loud.items()}}.items():
        what = f"a false “different” about these prompts: 3 levels, 5 × 6{', ' if name else ''}{name}"
        world = worlds.these(5, 6, 3, own=0.0, scatters=scatters)
        yield Row(f"these different {name or 'alike'}", what, world, trial, most=0.06)


def _of_looks() -> Iterator[Row]:
    yield Row(
        "looks",
        "a false “different” while looking every five prompts, 10 to 60",
        worlds.guided(2, prompts=60, seeds=1),
        says_different_while_looking,
        "21.6 %",
        most=0.055,
        studies=2_000,
        due=False,
    )


# Counting.


def count_block(key: str, block: int, studies: int, *, seed: int, judge: Judge = PRODUCT) -> Count:
    """Studies of one row; the same numbers for the same block, whoever counts it and when."""
    row = next(row for row in rows() if row.key == key)
    rng = np.random.default_rng([seed, zlib.crc32(key.encode()), block])
    began = time.process_time()
    answers = [row.trial(row.world, rng, judge) for _ in range(studies)]
    given = [bool(answer) for answer in answers if answer is not None]
    return Count(sum(given), len(given), studies, time.process_time() - began)


def code_state() -> str:
    """A hash of the code that draws and judges, its words left out.

    Counts of one state are never added to those of another.
    """
    package = Path(teststrip.__file__).parent
    rooms = [package / room for room in ("analysis", "records", "plan", "study")]
    judged = [file for room in rooms for file in room.rglob("*.py") if file.parent.name != "sentences"]
    digest = hashlib.sha256()
    for file in sorted([*judged, Path(__file__), Path(worlds.__file__)]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def blocks(row: Row, share: float, pace: float) -> Iterator[tuple[int, int]]:
    """The blocks of a row: number, and studies in it; `pace` is seconds a study.

    Block 0 is a handful of studies, from which the pace of all others is known.
    """
    left = max(round(row.studies * share), min(FEWEST, row.studies))
    size = max(5, min(round(BLOCK_SECONDS / max(pace, 1e-4)), 1_000))
    for block in range(left):
        taken = min(left, 5 if block == 0 else size)
        yield block, taken
        left -= taken
        if not left:
            return


class Journal:
    """The blocks that are counted, one a line, so that a campaign that was stopped goes on."""

    def __init__(self, file: Path, *, told: dict[str, Any]) -> None:
        self._file = file
        self.counts: dict[tuple[str, int, int], Count] = {}
        lines = file.read_text("utf-8").splitlines() if file.is_file() else []
        if not lines or json.loads(lines[0]) != told:
            lines = [json.dumps(told)]
        # The last line may have been cut short; the file is written anew, so that the next line begins a line.
        whole = [lines[0], *(line for line in lines[1:] if line.endswith("}}"))]
        for entry in map(json.loads, whole[1:]):
            count = Count(**entry["count"])
            self.counts[entry["row"], entry["block"], count.studies] = count
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in whole), "utf-8")

    def add(self, row: str, block: int, count: Count) -> None:
        """Keep one block."""
        self.counts[row, block, count.studies] = count
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"row": row, "block": block, "count": asdict(count)}) + "\n")

    def close(self, rows: Iterable[str]) -> None:
        """Forget these rows, which are in the results now; a journal that holds no others is removed."""
        done = set(rows)
        if all(row in done for row, _, _ in self.counts):
            self._file.unlink(missing_ok=True)


def campaign(
    chosen: Sequence[Row], share: float, *, seed: int, journal: Journal, processes: int = PROCESSES
) -> dict[str, Count]:
    """Count all rows; the first block of each row says how large its other blocks are."""
    # A thread, where one is enough, so that a small campaign starts no process.
    pool: Executor = ProcessPoolExecutor(processes) if processes > 1 else ThreadPoolExecutor(1)
    with pool:
        pace: dict[str, float] = {}
        for size in ("first", "others"):
            work = {}
            for row in chosen:
                todo = list(blocks(row, share, pace.get(row.key, math.inf)))
                for block, studies in todo[:1] if size == "first" else todo[1:]:
                    if (row.key, block, studies) not in journal.counts:
                        work[pool.submit(count_block, row.key, block, studies, seed=seed)] = row.key, block
            for number, done in enumerate(as_completed(work), 1):
                journal.add(*work[done], done.result())
                if sys.stderr.isatty():
                    print(f"\r{size} blocks: {number} of {len(work)}", end="", file=sys.stderr)
            pace = {row.key: _seconds(row, journal) for row in chosen}
    wanted = {row.key: list(blocks(row, share, pace[row.key])) for row in chosen}
    return {
        row.key: sum((journal.counts[row.key, *place] for place in wanted[row.key]), start=Count()) for row in chosen
    }


def _seconds(row: Row, journal: Journal) -> float:
    """Of one study, as the journal's first block has it, so that a campaign that goes on cuts the same blocks."""
    first = next(count for (key, block, _), count in journal.counts.items() if key == row.key and block == 0)
    return first.seconds / first.studies


def results_of(chosen: Sequence[Row], counts: dict[str, Count], code: str) -> list[dict[str, Any]]:
    """The rows of the results file; each has the state of the code, since rows may be renewed alone."""
    found = []
    for row in chosen:
        count = counts[row.key]
        low, high = (None if math.isnan(x) else round(x, 5) for x in count.bounds)
        found.append(
            {
                "key": row.key,
                "what": row.what,
                "before": row.before,
                "goal": row.goal,
                "of": row.studies,
                **asdict(count),
                "seconds": round(count.seconds, 2),
                "estimate": None if math.isnan(count.estimate) else round(count.estimate, 5),
                "low": low,
                "high": high,
                "state": state(row, count),
                "due": row.due,
                "code": code,
            }
        )
    return found


def table(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = ["| what | when written | goal | studies | found | 99 % bounds | |", "|---|---:|---:|---:|---:|---:|---|"]
    for row in results["rows"]:
        found = "–" if row["estimate"] is None else f"{row['estimate'] * 100:.1f} %"
        bounds = "" if row["low"] is None else f"{row['low'] * 100:.1f}–{row['high'] * 100:.1f}"
        counted = f"{row['studies']:,}"
        if row["counted"] < row["studies"]:
            counted = f"{row['counted']:,} of {counted}"
        said = row["state"] if row["due"] else f"({row['state']})"
        said = f"**{said}**" if said == "broken" else said
        lines.append(f"| {row['what']} | {row['before']} | {row['goal']} | {counted} | {found} | {bounds} | {said} |")
    return "\n".join(lines)


def page(results: dict[str, Any]) -> str:
    """The page of the docs, whole."""
    due = [row for row in results["rows"] if row["due"]]
    tally = {name: sum(row["state"] == name for row in due) for name in ("held", "open", "broken", "no answer")}
    share = min(row["studies"] / row["of"] for row in results["rows"])
    size = "its full size" if share >= 1 else f"{share:.0%} of its full size or a little more"
    told = f" {results['label']}" if results["label"] else ""
    if len({row["code"] for row in results["rows"]}) > 1:
        told += " Not all rows were measured on the same state of the code."
    return f"""# What the verdicts promise, and what was found

<!-- Generated from bench/results/verdicts.json: python -m bench.verdicts -->

Each row draws studies from a world whose truth is known (`bench/worlds.py`, which knows nothing of Teststrip), puts
them to the functions that judge a real study, and counts what should be rare or frequent.

**The campaign was run at {size}.**{told}

Of {len(due)} promises {tally["held"]} are held, {tally["open"]} are open, {tally["broken"]} are broken and \
{tally["no answer"]} found no answer.

*Broken*: even the nearer bound, which is right in 99 % of campaigns, lies beyond the goal. *Held*: both bounds keep the
goal. *Open*: so few studies cannot tell. *No answer*: the product gave none of the studies a verdict of this kind.
"When written" is the figure that was found when the promise was written down. "12 of 20" studies: the others got no
verdict that could be counted (a number that was out of reach, a pilot that was settled already). Rows in brackets are
not promised: spending the 5 % over looks is for later, and no study knows of prompts that it lacks (decision 18).

{table(results)}

`python -m bench.verdicts` measures all rows again, on two processes and at most 45 minutes; `--share 0.01` is quick.
"""


def main(arguments: list[str] | None = None) -> None:
    """Run the campaign, write the results file and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of the studies of each row, above 0 up to 1")
    parser.add_argument("--only", nargs="+", default=[""], help="the first words of the keys of rows")
    parser.add_argument("--label", default="", help="a sentence about these results, for the page")
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--page", action="store_true", help="write the page from the results that are there")
    asked = parser.parse_args(arguments)
    if asked.page:
        PAGE.write_text(page(json.loads(RESULTS.read_text("utf-8"))), "utf-8")
        return
    chosen = [row for row in rows() if row.key.startswith(tuple(asked.only))]
    began = time.perf_counter()
    told = {"code": code_state(), "seed": asked.seed, "share": asked.share}
    journal = Journal(asked.out.with_suffix(".journal"), told=told)
    counts = campaign(chosen, asked.share, seed=asked.seed, journal=journal, processes=asked.processes)
    measured = {row["key"]: row for row in results_of(chosen, counts, told["code"])}
    if len(chosen) < len(rows()) and asked.out.is_file():
        kept = {row["key"]: row for row in json.loads(asked.out.read_text("utf-8"))["rows"]}
        measured = {row.key: {**kept, **measured}[row.key] for row in rows() if row.key in {**kept, **measured}}
    results = {"seed": asked.seed, "label": asked.label, "rows": list(measured.values())}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    journal.close(counts)
    if asked.out == RESULTS:
        PAGE.write_text(page(results), "utf-8")
    print(table(results))
    whole = sum(counts[row.key].seconds / max(counts[row.key].studies, 1) * row.studies for row in chosen)
    print(
        f"{time.perf_counter() - began:.0f} s, written to {asked.out}; the whole of these rows takes about "
        f"{whole / 60:.0f} minutes of one processor",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
