"""How often the verdicts are wrong, counted on simulated studies whose truth is known.

    python -m bench.calibration             2,000 studies a setting, results to bench/results/calibration.json
                                            and as a table into docs/statistics.md
    python -m bench.calibration --studies 200 --out small.json
    python -m bench.calibration --only skewed      renews these rows of the file and leaves the others

Every study goes through the same functions that judge a real one (`analysis.judging`, `analysis.best`); only the
sentences are left out. `table()` makes the table of docs/statistics.md from the results file.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.advice import best
from teststrip.analysis.advice.costs import Costs
from teststrip.analysis.numbers import columns, effects, intervals, judging, margin, samples, verdicts
from teststrip.analysis.power.power import Variances, detectable

Array = NDArray[np.float64]

RESULTS = Path(__file__).parent / "results" / "calibration.json"
PAGE = Path(__file__).parent.parent / "docs" / "statistics.md"
BEGIN, END = "<!-- begin: python -m bench.calibration -->", "<!-- end: python -m bench.calibration -->"
STUDIES = 2_000
PROMPTS = (6, 10, 30, 100)
DATA = ("balanced", "skewed", "random slopes", "missing cells")
HARD = "few prompts answer"
"""Beyond the promise, told as it is: most prompts hardly react to a setting, a few react strongly (skewness 2)."""
REPLICATES = 2
GUIDANCE = (1.0, 3.0, 5.0, 7.0)
STEPS = (2.0, 4.0, 8.0, 16.0)
MARGIN = 0.2
CHUNK = 500
SPREAD = Variances(residual=0.5, interaction=0.2, seed=1.0)
PROMPT_SD = 2.0


@dataclass(frozen=True)
class Setting:
    """One kind of simulated study.

    Attributes:
        data: one of DATA.
        prompts: how many it has.
        replicates: seeds of each prompt.
    """

    data: str
    prompts: int
    replicates: int = REPLICATES


def layout_of(
    setting: Setting, *, guidance: tuple[float, ...] = GUIDANCE, steps: tuple[float, ...] = STEPS
) -> columns.Layout:
    """The layout of such a study, read from columns as a user's would be."""
    table: dict[str, list[Any]] = {"prompt": [], "replicate": [], "guidance_scale": [], "num_inference_steps": []}
    for p in range(setting.prompts):
        for r in range(setting.replicates):
            for g in guidance:
                for s in steps:
                    for name, value in zip(table, (p, r, g, s), strict=True):
                        table[name].append(value)
    return columns.read(table, ["guidance_scale", "num_inference_steps"])


def simulate(
    rng: np.random.Generator, setting: Setting, studies: int, layout: columns.Layout, effect: Array | float = 0.0
) -> Array:
    """Scores [studies, prompts, replicates, cells] with SD 1 between seeds of one prompt in one cell.

    Args:
        effect: true mean of each cell, [cells].
    """
    shape = (studies, setting.prompts, setting.replicates, len(layout.cells))
    draw = _skewed if setting.data == "skewed" else _normal
    prompt = PROMPT_SD * draw(rng, (*shape[:2], 1, 1))
    # What a seed does in every cell alike: the rest of the seed SD after the residual.
    seed = math.sqrt(SPREAD.seed**2 - SPREAD.residual**2) * draw(rng, (*shape[:3], 1))
    own = SPREAD.interaction * draw(rng, (shape[0], shape[1], 1, shape[3]))
    values = prompt + seed + own + SPREAD.residual * draw(rng, shape) + effect
    if setting.data == "random slopes":
        # Each prompt answers guidance and steps in its own measure; the mean answer is zero.
        for axis in range(2):
            x = np.array([cell[axis] for cell in layout.cells], dtype=float)
            slope = 0.3 * rng.standard_normal((*shape[:2], 1, 1))
            values = values + slope * (x - x.mean()) / x.std()
    if setting.data == HARD:
        x = np.array([cell[0] for cell in layout.cells], dtype=float)
        slope = 0.5 * (rng.standard_exponential((*shape[:2], 1, 1)) - 1.0)
        values = values + slope * (x - x.mean()) / x.std()
    if setting.data == "missing cells":
        # 10 % of all pictures, and a quarter of those at the highest guidance (refusals).
        often = np.array([0.25 if cell[0] == len(GUIDANCE) - 1 else 0.1 for cell in layout.cells])
        values = np.where(rng.random(shape) < often, np.nan, values)
    return values


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape)


def _skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Gamma of shape 2, mean 0 and SD 1: skewness 1.4."""
    drawn: Array = (rng.standard_gamma(2.0, shape) - 2.0) / math.sqrt(2.0)
    return drawn


def levels(contrast: effects.WeightedContrast) -> tuple[str, str]:
    """The labels of the two levels of a pair; of any other contrast, none."""
    asked = contrast.asked
    return (asked.plus[0].label, asked.minus[0].label) if asked.kind == "pair" else ("", "")


def chunks(studies: int) -> Iterator[int]:
    """Studies a chunk, so that memory stays small."""
    for start in range(0, studies, CHUNK):
        yield min(CHUNK, studies - start)


def under_null(rng: np.random.Generator, setting: Setting, studies: int) -> dict[str, float]:
    """Coverage of the 95 % interval, and how often anything is called different when nothing is.

    Coverage is a mean over all contrasts (pairs, trends, bends, interaction); `worst` and `best` are single contrasts.
    `images_as_unit` is what a t-test over images with no correction would have called different.
    """
    layout = layout_of(setting)
    contrasts = effects.planned(layout)
    covered: list[Array] = []
    different: list[Array] = []
    anything: list[Array] = []
    cells: list[Array] = []
    naive: list[Array] = []
    for count in chunks(studies):
        values = simulate(rng, setting, count, layout)
        sd, se = margin.sd_of_seeds(values)
        judged = judging.judge(values, layout, contrasts, MARGIN * sd, MARGIN * se)
        covered.append(_covers_zero(samples.interval(judged.sample)))
        planned = [i for i, contrast in enumerate(contrasts) if contrast.planned]
        different.append((judged.verdict[:, planned] == "different").any(axis=-1))
        anything.append((judged.verdict == "different").any(axis=-1))
        pair = effects.cell_pairs(values[..., [0, -1]], [(0, 1)])[0]
        cells.append(_covers_zero(intervals.paired_interval(pair)))
        naive.append(_images_as_unit(values))
    share = np.nanmean(np.concatenate(covered), axis=0)
    return {
        "coverage": float(share.mean()),
        "coverage_worst": float(share.min()),
        "coverage_best": float(share.max()),
        "coverage_cells": float(np.nanmean(np.concatenate(cells))),
        "false_different": float(np.concatenate(different).mean()),
        "false_different_of_any_pair": float(np.concatenate(anything).mean()),
        "images_as_unit": float(np.concatenate(naive).mean()),
    }


def _covers_zero(interval: samples.Interval) -> Array:
    """1 or 0; NaN where there is no interval because too little is left."""
    inside = (interval.low <= 0) & (interval.high >= 0)
    return np.where(np.isnan(interval.low), np.nan, inside)


def _images_as_unit(values: Array) -> Array:
    """Whether any two cells differ by an uncorrected paired t-test over images: how grids are usually judged."""
    images = values.reshape(values.shape[0], -1, values.shape[-1])
    pairs = combinations(range(values.shape[-1]), 2)
    found = [intervals.t_p(images[..., a] - images[..., b]) < verdicts.ALPHA for a, b in pairs]
    return np.any(found, axis=0)


def at_margin(rng: np.random.Generator, setting: Setting, studies: int) -> dict[str, float]:
    """How often a true difference of exactly the margin is called equivalent (size of the equivalence test).

    The margin is in seed SD and estimated from the same study; `exact` has it in score units.
    """
    layout = layout_of(setting)
    contrasts = [c for c in effects.planned(layout) if c.axes == (0,) and levels(c) == ("7", "1")]
    effect = np.array([MARGIN * SPREAD.seed if cell[0] == len(GUIDANCE) - 1 else 0.0 for cell in layout.cells])
    sized: list[Array] = []
    exact: list[Array] = []
    for count in chunks(studies):
        values = simulate(rng, setting, count, layout, effect)
        sd, se = margin.sd_of_seeds(values)
        judged = judging.judge(values, layout, contrasts, MARGIN * sd, MARGIN * se)
        sized.append(judged.verdict[:, 0] == "equivalent")
        d = judged.differences[:, 0]
        exact.append(intervals.tost_p(d, MARGIN * SPREAD.seed) < verdicts.ALPHA)
    return {
        "false_equivalent": float(np.concatenate(sized).mean()),
        "false_equivalent_exact": float(np.concatenate(exact).mean()),
    }


def at_promise(rng: np.random.Generator, setting: Setting, studies: int) -> dict[str, float]:
    """How often a planted effect of the promised detectable size is found.

    One axis of four levels in a family of five planned contrasts; the upper two levels are shifted, so the pair of
    neighbours in the middle carries the whole effect.
    """
    layout = layout_of(setting, steps=(2.0,))
    contrasts = effects.planned(layout)
    family = sum(contrast.planned for contrast in contrasts)
    promised = detectable(setting.prompts, SPREAD.of_difference(setting.replicates), contrasts=family)
    effect = np.array([promised if cell[0] >= 2 else 0.0 for cell in layout.cells])
    middle = [levels(contrast) for contrast in contrasts].index(("5", "3"))
    found: list[Array] = []
    for count in chunks(studies):
        values = simulate(rng, setting, count, layout, effect)
        sd, se = margin.sd_of_seeds(values)
        judged = judging.judge(values, layout, contrasts, MARGIN * sd, MARGIN * se)
        found.append(judged.verdict[:, middle] == "different")
    return {"promised": promised, "found": float(np.concatenate(found).mean())}


def recommended(rng: np.random.Generator, studies: int, *, prompts: int = 40) -> dict[str, float]:
    """How often the cheapest setting "not worse" is worse by the margin, and what luck adds to a winner's score.

    One axis of four costs. The two dear levels are equally good, the cheapest is hopeless, and the one that tempts is
    worse by exactly the margin: choosing it is the error.
    """
    layout = layout_of(Setting("balanced", prompts), guidance=(1.0,))
    truth = np.array([-2.0, -MARGIN, 0.0, 0.0])
    costs, cells = Costs(np.array(STEPS, dtype=float), np.zeros(4)), range(4)
    wrong, cheapest, flattery = 0, 0, []
    for count in chunks(studies):
        for values in simulate(rng, Setting("balanced", prompts), count, layout, truth):
            sd, se = margin.sd_of_seeds(values)
            size = margin.Margin(float(MARGIN * sd), float(MARGIN * se), "0.2 SD", float(sd))
            made = best.choose(values, costs, cells, sign=1.0, margin=size)
            wrong += made.settled and made.choice < 2
            cheapest += made.settled and made.choice == 2
            # Against the other good level, so that the prompts' own heights cancel.
            other = 2 if made.best == 3 else 3
            gain = effects.cell_pairs(values, [(made.best, other)])[0]
            flattery.append(float(gain.mean()) - (truth[made.best] - truth[other]))
    return {
        "prompts": prompts,
        "worse_by_margin": wrong / studies,
        "cheapest_equal_found": cheapest / studies,
        "winner_flattered": float(np.mean(flattery)),
    }


def campaign(studies: int = STUDIES, *, seed: int = 5, only: Sequence[str] = (*DATA, HARD)) -> dict[str, Any]:
    """All settings; the same numbers for the same seed, whichever others are asked for."""
    rows = []
    for index, data in enumerate((*DATA, HARD)):
        for prompts in PROMPTS if data in only else ():
            setting = Setting(data, prompts)
            rng = np.random.default_rng([seed, index, prompts])
            row: dict[str, Any] = {"data": data, "prompts": prompts, "replicates": REPLICATES}
            row |= under_null(rng, setting, studies)
            row |= at_margin(rng, setting, studies)
            if data == "balanced":
                row |= at_promise(rng, setting, studies)
            rows.append(row)
    found: dict[str, Any] = {"studies": studies, "seed": seed, "rows": rows}
    if "recommendation" in only or set(only) >= {*DATA, HARD}:
        found["recommendation"] = recommended(np.random.default_rng([seed, 99]), studies)
    return found


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Old results with the new rows in place of their own."""
    order = (*DATA, HARD)
    rows = {(row["data"], row["prompts"]): row for row in (*old["rows"], *new["rows"])}
    return {**old, **new, "rows": [rows[key] for key in sorted(rows, key=lambda key: (order.index(key[0]), key[1]))]}


def table(results: Mapping[str, Any]) -> str:
    """The results as a Markdown table."""
    heads = (
        "data",
        "prompts",
        "95 % intervals cover (worst, best contrast)",
        "a family has a false “different”",
        "“equivalent” though at the margin",
        "planted effect found",
        "two cells “differ”, images as unit",
    )
    lines = [f"| {' | '.join(heads)} |", "|---|---:|---:|---:|---:|---:|---:|"]
    for row in results["rows"]:
        found = f"{row['found']:.1%} of {row['promised']:.2f} SD" if "found" in row else ""
        lines.append(
            f"| {row['data']} | {row['prompts']} | {row['coverage']:.1%} ({row['coverage_worst']:.1%}, "
            f"{row['coverage_best']:.1%}) | {row['false_different']:.1%} | {row['false_equivalent']:.1%} | {found} | "
            f"{row['images_as_unit']:.0%} |"
        )
    if made := results.get("recommendation"):
        told = (
            f"The recommended setting is worse than the best by the margin in {made['worse_by_margin']:.1%} of studies "
            f"(promised: at most 5 %); the cheapest of two equally good ones is found in "
            f"{made['cheapest_equal_found']:.1%}, {made['prompts']} prompts × {REPLICATES} seeds. The winner is "
            f"flattered by {made['winner_flattered']:+.3f} SD, because the scores picked it."
        )
        lines += ["", told]
    return "\n".join(lines)


def write_table(results: Mapping[str, Any], page: Path = PAGE) -> None:
    """Put the table between the two marks of a Markdown page; raises ValueError when the page has no marks."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Run the campaign and write the results file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=STUDIES)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--only", nargs="+", choices=[*DATA, HARD, "recommendation"])
    chosen = parser.parse_args(arguments)
    started = time.process_time()
    if chosen.only:
        results = merged(json.loads(chosen.out.read_text(encoding="utf-8")), campaign(chosen.studies, only=chosen.only))
    else:
        results = campaign(chosen.studies)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if chosen.out == RESULTS:
        write_table(results)
    print(table(results))
    print(f"{time.process_time() - started:.0f} CPU seconds, written to {chosen.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
