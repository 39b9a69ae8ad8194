"""How often votes are read wrongly, counted on raters of `bench.polls` whose preferences are known.

    python -m bench.votes                     the whole campaign, to its results and docs/votes-simulated.md
    python -m bench.votes --studies 100       a small one: at most so many studies a row
    python -m bench.votes --only cover        the rows whose key begins so; others stay as they are in the file
    python -m bench.votes --page              the page from the results that are there

A row that is in the file under today's code is not run again, so a campaign that was stopped goes on. To add a row,
write a trial: studies in, and out what was found of each, a share or a mark of 0 or 1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from bench import polls, raters
from bench.polls import Poll
from scipy import optimize

from teststrip.analysis.numbers import samples
from teststrip.analysis.numbers.judging import HERE, WIDE
from teststrip.analysis.votes import ballots, choice, price, probes, scale, strengths, winning
from teststrip.records import Card, ProbeKind, Scope, Vote

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results" / "votes.json"
PAGE = ROOT / "docs" / "votes-simulated.md"
STUDIES = 4_000
"""Studies of a row in the whole campaign."""
FEW = 1_000
"""Of a dear row."""
MANY = 40_000
"""Of a row whose truth lies half a point from its goal, so that the bounds can tell."""
CHUNK = 100
SURE = 2.576
"""Standard errors of the two bounds: each is right in 99 % of campaigns."""
MARGIN = 0.05

Array = polls.Array
Rng = np.random.Generator
Trial = Callable[[Rng, int], Array]


@dataclass(frozen=True)
class Row:
    """A promise.

    Attributes:
        key: of the results file.
        text: what was counted.
        low, high: the goal, 0..1.
        trial: [studies] of what was found.
        studies: of the whole campaign.
        promised: False = told for comparison.
    """

    key: str
    text: str
    low: float
    high: float
    trial: Trial
    studies: int = STUDIES
    promised: bool = True


@cache
def strengths_of(levels: tuple[int, ...]) -> strengths.Strengths:
    """What a study with so many levels an axis asks."""
    return strengths.of(raters.layout_of(Poll(tuple((0.0,) * size for size in levels))))


def asked(world: Poll) -> strengths.Strengths:
    """What a study in this world asks."""
    return strengths_of(tuple(map(len, world.levels)))


def vote(
    rng: Rng, world: Poll, votes: int, studies: int, *, chosen: bool = False, even: bool = True
) -> Iterator[tuple[polls.Drawn, ballots.Ballots]]:
    """Studies in chunks: who was drawn, and what was voted."""
    for start in range(0, studies, CHUNK):
        count = min(CHUNK, studies - start)
        drawn = polls.draw(rng, world, count)
        pairs = polls.at_random(rng, world, count, votes, even=even)
        if chosen:
            pairs |= _chosen(rng, world, votes, count)
        won = polls.answer(rng, drawn, **pairs)
        yield (
            drawn,
            ballots.Ballots(
                **pairs,
                won=won,
                weight=np.ones(won.shape),
                prompts=world.prompts,
                seeds=world.seeds,
                raters=world.raters,
            ),
        )


LISTS = 12


@cache
def _list(levels: tuple[int, ...], prompts: int, seeds: int, votes: int, number: int) -> Array:
    """Asked pairs of the product's booth: prompt, seed and both cells."""
    cells = math.prod(levels)
    pictures = np.arange(prompts * seeds * cells).reshape(prompts, seeds, cells)
    booth = choice.Booth(strengths_of(levels), pictures, np.random.default_rng(number))
    found = [offer.place for offer in booth.listed(round(votes * 1.3) + 30) if offer.kind == "asked"]
    if len(found) < votes:
        raise ValueError(f"there are {len(found)} pairs and not {votes}")
    return np.array(found[:votes], dtype=float)


def _chosen(rng: Rng, world: Poll, votes: int, studies: int) -> dict[str, polls.Whole]:
    levels = tuple(map(len, world.levels))
    numbers = rng.integers(LISTS, size=studies)
    table = np.stack([_list(levels, world.prompts, world.seeds, votes, int(n)) for n in numbers]).astype(np.intp)
    turned = rng.random((studies, votes)) < 0.5
    return {
        "prompt": table[..., 0],
        "seed": table[..., 1],
        "left": np.where(turned, table[..., 3], table[..., 2]),
        "right": np.where(turned, table[..., 2], table[..., 3]),
    }


def covered(rng: Rng, studies: int, *, world: Poll, votes: int, scope: Scope = WIDE, chosen: bool = False) -> Array:
    """The share of pairs of levels whose 95 % interval holds the truth."""
    of, found = asked(world), []
    pairs = [(k, one.axes[0], one.asked) for k, one in enumerate(of.contrasts) if one.kind == "pair"]
    for drawn, cast in vote(rng, world, votes, studies, chosen=chosen):
        won = winning.judge(cast, of, scope=scope)
        interval = winning.as_rates(samples.interval(won.sample))
        marks = []
        for k, axis, contrast in pairs:
            truth = polls.truth(
                drawn,
                axis,
                contrast.plus[0].index,
                contrast.minus[0].index,
                here=scope == HERE,
                these_raters=world.raters < 6,
            )
            marks.append((interval.low[:, k] <= truth) & (truth <= interval.high[:, k]))
        found.append(np.mean(marks, axis=0))
    return np.concatenate(found)


def different(rng: Rng, studies: int, *, world: Poll, votes: int, scope: Scope = WIDE, chosen: bool = False) -> Array:
    """Whether anything that was planned is called different."""
    of = asked(world)
    return np.concatenate(
        [
            (winning.judge(cast, of, scope=scope).verdict[:, of.planned] == "different").any(axis=1)
            for _, cast in vote(rng, world, votes, studies, chosen=chosen)
        ]
    )


def equivalent(rng: Rng, studies: int, *, world: Poll, votes: int, scope: Scope = WIDE) -> Array:
    """Whether two settings are called alike."""
    of = asked(world)
    return np.concatenate(
        [
            winning.judge(cast, of, scope=scope, margin=MARGIN).verdict[:, 0] == "equivalent"
            for _, cast in vote(rng, world, votes, studies)
        ]
    )


def at_margin(world: Poll) -> Poll:
    """The world of two settings with a true win rate just at the margin."""
    one = replace(world, raters=max(world.raters, 6))  # so that the rate is that of all raters

    def above(strength: float) -> float:
        drawn = polls.draw(np.random.default_rng(0), replace(one, levels=((0.0, strength),)), 1)
        return float(polls.truth(drawn, 0, 1, 0, here=False, these_raters=False)[0]) - 0.5 - MARGIN

    return replace(world, levels=((0.0, float(optimize.brentq(above, 0.0, 3.0))),))


def narrower(rng: Rng, studies: int, *, world: Poll, votes: int, times: float) -> Array:
    """The widest planned interval of chosen pairs, over that of so many times as many random pairs."""
    of, widths = asked(world), []
    for chosen, count in ((True, votes), (False, round(votes * times))):
        found = []
        for _, cast in vote(rng, world, count, studies, chosen=chosen, even=chosen):
            interval = winning.as_rates(samples.interval(winning.judge(cast, of).sample))
            found.append((interval.high - interval.low)[:, of.planned].max(axis=1))
        widths.append(np.concatenate(found))
    return np.asarray(widths[0] / widths[1].mean())


def fires(rng: Rng, studies: int, *, kind: str) -> Array:
    """Whether a probe fires on votes that are wrong in its way."""
    return np.array([kind in fired(raters.planted(rng, kind), {kind}) for _ in range(studies)], dtype=float)


def fires_on_careful(_: Rng, studies: int, *, kind: str) -> Array:
    """Whether a probe fires on careful votes; one set of them serves all probes."""
    return np.array([kind in kinds for kinds in _careful(studies)], dtype=float)


def fired(votes: list[Vote], kinds: Collection[Any] = get_args(ProbeKind)) -> set[str]:
    """The probes that fire, of those that are asked."""
    of, where = asked(raters.WORLD), raters.places(raters.WORLD)
    return {one.kind for one in probes.probes(votes, where, of, asked=kinds) if one.fires}


@cache
def _careful(studies: int) -> list[set[str]]:
    rng = np.random.default_rng(71)
    return [fired(raters.poll(rng)) for _ in range(studies)]


def metric_covered(rng: Rng, studies: int, *, world: Poll, votes: int, noise: float) -> Array:
    """Whether the interval of a metric's share of foretold votes holds the share in the long run."""
    layout, card = raters.layout_of(world), Card("metric", higher_is_better=True)

    def shares(count: int, of: int) -> Iterator[tuple[ballots.Ballots, Array]]:
        for drawn, cast in vote(rng, world, count, of):
            scores = world.strengths + drawn.of_prompts[:, :, None, :] + drawn.of_seeds
            scores = scores + noise * rng.standard_normal(scores.shape)
            for i in range(len(scores)):
                one = replace(cast, **{name: getattr(cast, name)[i] for name in VOTED})
                yield one, scores[i]

    hits = total = 0.0
    for cast, score in shares(400, 2_000):
        at = (cast.prompt, cast.seed)
        ahead = score[(*at, cast.left)] - score[(*at, cast.right)]
        hits += float(((np.sign(ahead) == cast.won) & (cast.won != 0)).sum())
        total += float((cast.won != 0).sum())
    truth, found = hits / total, []
    for cast, score in shares(votes, studies):
        made = scale.foretold(cast, score, card, layout)[0]
        found.append(made.low <= truth <= made.high)
    return np.array(found, dtype=float)


VOTED = ("left", "right", "won", "prompt", "seed", "rater", "weight")
LOW, HIGH = 0.935, 0.965
FALSE = 0.055
ALIKE = (0.0, 0.0, 0.0, 0.0)
RISING = (0.0, 0.3, 0.6, 0.8)
PLAIN = Poll((RISING,))
LIVELY = Poll((RISING,), prompt_sd=0.6, seed_sd=0.4, side=0.5, lapse=0.05)
FIRST = Poll((ALIKE, (-1.0, 0.0, 0.3, 0.3)), prompts=40, prompt_sd=0.4, seed_sd=0.3, side=0.3, lapse=0.03)
OBVIOUS = replace(FIRST, levels=((0.0, 0.1, 0.1, 0.0), (-4.0, -2.0, 0.0, 0.2)))
ONE_AXIS = replace(FIRST, levels=((-4.0, -2.0, -0.5, 0.0, 0.1, 0.1),))


def rows() -> list[Row]:
    """The whole campaign."""
    return [*_covering(), *_false(), *_choosing(), *_probing(), *_measuring()]


def _covering() -> Iterator[Row]:
    crowd = replace(LIVELY, rater_sd=0.4, side_sd=0.4)
    kinds: list[tuple[str, str, Poll, int, Scope, bool]] = [
        ("plain", "careful rater, 40 prompts, 200 votes", PLAIN, 200, WIDE, False),
        (
            "side",
            "a rater who favours a side, lapses and ties, 40 prompts that differ, 200 votes",
            LIVELY,
            200,
            WIDE,
            False,
        ),
        ("6", "the same, 6 prompts, 120 votes", replace(LIVELY, prompts=6), 120, WIDE, False),
        ("12", "the same, 12 prompts, 120 votes", replace(LIVELY, prompts=12), 120, WIDE, False),
        ("ties", "the same, every second answer a tie", replace(LIVELY, tie=0.7), 200, WIDE, False),
        ("strong", "the same, strong effects", replace(LIVELY, levels=((-2.0, 0.0, 1.0, 1.2),)), 200, WIDE, False),
        ("grid", "the same, 4 × 4 settings, 300 votes", replace(LIVELY, levels=(RISING, RISING)), 300, WIDE, False),
        (
            "chosen",
            "the same, pairs as they are chosen, 200 votes",
            replace(LIVELY, levels=(RISING, RISING)),
            200,
            WIDE,
            True,
        ),
        ("3 raters", "3 raters who disagree, 300 votes", replace(crowd, raters=3), 300, WIDE, False),
        (
            "6 raters",
            "6 raters who disagree, for raters like these, 300 votes",
            replace(crowd, raters=6),
            300,
            WIDE,
            False,
        ),
        (
            "12 raters",
            "12 raters who disagree, for raters like these, 300 votes",
            replace(crowd, raters=12),
            300,
            WIDE,
            False,
        ),
        (
            "apart",
            "12 raters who disagree as much as settings differ",
            replace(crowd, raters=12, rater_sd=0.8),
            300,
            WIDE,
            False,
        ),
        ("here", "on these prompts: 40 prompts × 2 seeds, 200 votes", LIVELY, 200, HERE, False),
        (
            "here 6",
            "on these prompts: 6 prompts × 4 seeds, 120 votes",
            replace(LIVELY, prompts=6, seeds=4),
            120,
            HERE,
            False,
        ),
        (
            "here 1",
            "on this prompt: 1 prompt × 12 seeds, 100 votes",
            replace(LIVELY, prompts=1, seeds=12),
            100,
            HERE,
            False,
        ),
    ]
    for key, text, world, votes, scope, chosen in kinds:
        trial = partial(covered, world=world, votes=votes, scope=scope, chosen=chosen)
        yield Row(f"cover {key}", f"95 % intervals hold the truth: {text}", LOW, HIGH, trial)
    agreed = partial(covered, world=replace(LIVELY, raters=6), votes=300)
    text = "95 % intervals hold the truth: 6 raters with one taste (nothing tells that they have; wider than needed)"
    yield Row("cover one taste", text, LOW, 1.0, agreed)


def _false() -> Iterator[Row]:
    none = replace(LIVELY, levels=(ALIKE,))
    crowd = replace(none, raters=8, rater_sd=0.4, side_sd=0.4)
    here = replace(none, prompt_sd=0.0)
    for key, text, world, votes, scope in (
        ("40", "40 prompts", none, 200, WIDE),
        ("6", "6 prompts", replace(none, prompts=6), 120, WIDE),
        ("grid", "4 × 4 settings", replace(none, levels=(ALIKE, ALIKE)), 300, WIDE),
        ("raters", "8 raters who disagree", crowd, 300, WIDE),
        ("here", "on these prompts, 12 × 4 seeds", replace(here, prompts=12, seeds=4), 200, HERE),
    ):
        studies = MANY // 2 if world is crowd else STUDIES
        trial = partial(different, world=world, votes=votes, scope=scope)
        yield Row(f"different {key}", f"a false “different”: {text}", 0.0, FALSE, trial, studies)
    for key, world, votes, scope in (
        ("40 prompts, 2,000 votes", replace(LIVELY, levels=((0.0, 0.0),), prompt_sd=0.2, seed_sd=0.2), 2_000, WIDE),
        (
            "40 prompts, every second answer a tie",
            replace(LIVELY, levels=((0.0, 0.0),), prompt_sd=0.2, tie=0.7),
            1_500,
            WIDE,
        ),
        ("on these prompts", replace(LIVELY, levels=((0.0, 0.0),), prompt_sd=0.0, seed_sd=0.2), 2_000, HERE),
    ):
        trial = partial(equivalent, world=at_margin(world), votes=votes, scope=scope)
        yield Row(
            f"alike {key}",
            f"“equivalent” with the truth at the margin of 5 points: {key}",
            0.0,
            FALSE,
            trial,
            studies=MANY,
        )
    needed = price.to_see(0.6).votes
    pair = replace(PLAIN, levels=((0.0, 1.0),), tie=-1.0)

    def above(strength: float) -> float:
        drawn = polls.draw(np.random.default_rng(0), replace(pair, levels=((0.0, strength),)), 1)
        return float(polls.truth(drawn, 0, 1, 0, here=False, these_raters=True)[0]) - 0.6

    there = replace(pair, levels=((0.0, float(optimize.brentq(above, 0.0, 3.0))),))
    trial = partial(different, world=there, votes=needed)
    yield Row("price", f"60 : 40 is seen with the {needed} votes that the plan names", 0.76, 0.84, trial)


def _choosing() -> Iterator[Row]:
    for key, text, world, promised in (
        ("first", "4 × 4 settings, the first study's shape", FIRST, True),
        ("obvious", "4 × 4 settings, half of them hopeless", OBVIOUS, True),
        ("one axis", "6 settings of one axis, where all pairs tell of the same question", ONE_AXIS, False),
    ):
        trial = partial(narrower, world=world, votes=160, times=2.0)
        about = f"widest interval of 160 chosen pairs, over that of 320 random ones: {text}"
        yield Row(f"choice {key}", about, 0.0, 1.0, trial, studies=FEW, promised=promised)


def _probing() -> Iterator[Row]:
    for kind in raters.KINDS:
        yield Row(
            f"clean {kind}",
            f"“{kind}” fires on careful votes",
            0.0,
            0.05,
            partial(fires_on_careful, kind=kind),
            studies=FEW,
        )
        yield Row(
            f"planted {kind}",
            f"“{kind}” fires on its planted votes",
            0.9,
            1.0,
            partial(fires, kind=kind),
            studies=FEW,
        )


def _measuring() -> Iterator[Row]:
    for noise in (0.3, 2.0):
        trial = partial(metric_covered, world=LIVELY, votes=200, noise=noise)
        yield Row(
            f"metric {noise}",
            f"the interval of a metric's share of foretold votes holds it, noise {noise}",
            LOW,
            HIGH,
            trial,
        )


def code() -> str:
    """What the results depend on."""
    files = sorted([*(ROOT / "src/teststrip/analysis/votes").glob("*.py"), *(ROOT / "bench").glob("[pvr]o*s.py")])
    files += [ROOT / "bench/raters.py"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def run(row: Row, studies: int) -> dict[str, Any]:
    """One row's result."""
    started = time.perf_counter()
    found = row.trial(np.random.default_rng([7, zlib.crc32(row.key.encode())]), studies).astype(float)
    share, error = float(found.mean()), float(found.std(ddof=1) / len(found) ** 0.5)
    # Of marks of 0 and 1 that are all alike the exact bound, else the normal one.
    error = max(error, -math.log(0.01) / len(found) / SURE) if error == 0 else error
    return {
        "text": row.text,
        "goal": [row.low, row.high],
        "studies": len(found),
        "found": share,
        "low": share - SURE * error,
        "high": share + SURE * error,
        "promised": row.promised,
        "seconds": round(time.perf_counter() - started, 1),
    }


def state(result: dict[str, Any]) -> str:
    """Held, open or broken, as on the page of the verdicts."""
    low, high = result["goal"]
    if result["found"] < low or result["found"] > high:
        beyond = result["high"] < low or result["low"] > high
        return "broken" if beyond else "open"
    edges = (low <= 0 or result["low"] >= low) and (high >= 1 or result["high"] <= high)
    return "held" if edges or (result["goal"][1] == 1.0 and result["low"] >= low) else "open"


def page(results: dict[str, Any]) -> str:
    """The results as a Markdown page."""
    lines = [
        "# What votes promise, and what was found",
        "",
        "<!-- Generated from bench/results/votes.json: python -m bench.votes -->",
        "",
        "Raters are simulated whose preferences are known (`bench/polls.py`): they favour a side, doze, call ties",
        "and disagree, and prompts and seeds have preferences of their own. Their votes go through the functions that",
        "judge real ones.",
        "",
        "*Held*: both 99 % bounds keep the goal. *Open*: what was found keeps it or nearly so, but so few studies",
        "cannot tell. *Broken*: even the nearer bound lies beyond. A row in brackets is told for comparison and is",
        "not promised.",
        "",
        "| what | goal | studies | found | 99 % bounds | |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for row in results["rows"].values():
        low, high = row["goal"]
        goal = f"≤ {high:.1%}" if low == 0 else f"≥ {low:.1%}" if high == 1 else f"{low:.1%}–{high:.1%}"
        told = state(row) if row["promised"] else f"({state(row)})"
        bounds = f"{max(row['low'], 0):.1%}–{row['high'] if row['found'] > 1 else min(row['high'], 1):.1%}"
        lines.append(f"| {row['text']} | {goal} | {row['studies']:,} | {row['found']:.1%} | {bounds} | {told} |")
    return "\n".join(lines).replace("%", " %").replace("95  %", "95 %").replace("99  %", "99 %") + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--studies", type=int, default=MANY)
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    wanted = parser.parse_args(arguments)
    results = json.loads(wanted.out.read_text("utf-8")) if wanted.out.is_file() else {"rows": {}}
    today, order = code(), rows()
    for row in [] if wanted.page else order:
        studies = min(wanted.studies, row.studies)
        old = results["rows"].get(row.key, {})
        if not row.key.startswith(tuple(wanted.only)) or (old.get("code"), old.get("studies")) == (today, studies):
            continue
        results["rows"][row.key] = {**run(row, studies), "code": today}
        results["rows"] = {one.key: results["rows"][one.key] for one in order if one.key in results["rows"]}
        wanted.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        found = results["rows"][row.key]
        print(f"{row.key}: {found['found']:.3f} {state(found)}, {found['seconds']} s", flush=True)
    if wanted.out == RESULTS:
        PAGE.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
