"""Worlds keep their stated truth, and a campaign catches who lies about them. The large one: `make campaign`."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench import verdicts, worlds
from bench.verdicts import Count, Journal, Row
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from teststrip.records import Finding

SMALL = {row.key: row for row in verdicts.rows()}
WORLDS = sorted(worlds.ALL)


def by_setting(world: worlds.World, columns: dict[str, list[Any]]) -> dict[tuple[float, ...], list[float]]:
    """The scores of each setting, each minus the same prompt's and seed's in the first setting."""
    rows = list(zip(columns["prompt"], columns["replicate"], columns["score"], strict=True))
    settings = list(zip(*(columns[axis] for axis in world.axes), strict=True))
    first = {(p, r): score for (p, r, score), s in zip(rows, settings, strict=True) if s == world.settings[0]}
    found: dict[tuple[float, ...], list[float]] = {}
    for (p, r, score), setting in zip(rows, settings, strict=True):
        if score == score:
            found.setdefault(setting, []).append(score - first[p, r])
    return found


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_keeps_the_truth_that_it_states(name: str) -> None:
    world, rng = worlds.ALL[name], np.random.default_rng([21, len(name)])
    studies = [by_setting(world, world.study(rng, min(world.prompts, 30)).columns) for _ in range(250)]
    truth = dict(zip(world.settings, world.truth().ravel(), strict=True))
    assert set().union(*studies) == set(world.made())
    for setting in world.made():
        means = np.array([np.mean(study[setting]) for study in studies if setting in study])
        stated = truth[setting] - truth[world.settings[0]]
        # Five standard errors: once in a million, over all settings of all worlds.
        assert abs(means.mean() - stated) <= 5 * means.std(ddof=1) / np.sqrt(means.size) + 1e-12


@pytest.mark.parametrize("name", WORLDS)
def test_the_best_setting_is_behind_none_and_leads_as_stated(name: str) -> None:
    world = worlds.ALL[name]
    best, lead = world.best()
    behind = sorted(world.behind(setting) for setting in world.made())
    assert world.behind(best) == behind[0] == 0
    assert lead == behind[1]
    assert world.nothing_differs == (behind[-1] == 0 == np.ptp(world.truth()))


@given(prompts=st.integers(1, 4), levels=st.integers(2, 4), slope=st.floats(-2, 2))
def test_what_is_said_of_these_prompts_is_what_many_seeds_show(prompts: int, levels: int, slope: float) -> None:
    world = worlds.guided(levels, mean=lambda g: slope * g, prompts=prompts, seeds=600, own=0.5)
    drawn = world.study(np.random.default_rng(3))
    scores = np.array(drawn.columns["score"]).reshape(prompts, 600, levels).mean(axis=(0, 1))
    shown, said = scores - scores[0], drawn.here - drawn.here[0]
    assert np.abs(shown - said).max() <= 5 * 0.5 * np.sqrt(2 / (600 * prompts))


@given(prompts=st.integers(1, 12), more=st.integers(1, 12), seeds=st.integers(1, 3))
def test_a_study_is_cut_and_continued_by_whole_prompts(prompts: int, more: int, seeds: int) -> None:
    world = worlds.guided(3, seeds=seeds)
    begun = world.study(np.random.default_rng(1), prompts)
    grown = worlds.joined(begun, world.study(np.random.default_rng(2), more, first=prompts))
    assert Counter(grown["prompt"]) == {f"prompt {p}": 3 * seeds for p in range(prompts + more)}
    assert worlds.Study(grown, begun.here).first(prompts) == begun.columns


def test_a_world_is_made_without_the_help_of_those_who_judge_it() -> None:
    tree = ast.parse(Path(worlds.__file__).read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in names if name.split(".")[0] in ("teststrip", "bench")}


@pytest.mark.parametrize("prompts", [1, 2, 3, 5])
def test_a_rare_level_is_made_for_the_first_prompts_alone(prompts: int) -> None:
    columns = worlds.rare(prompts).study(np.random.default_rng(4)).columns
    pictures = Counter(columns[worlds.GUIDANCE])
    assert pictures[6.0] == prompts
    assert set(pictures.values()) == {40, prompts}


@pytest.mark.parametrize("prompts", [12, 150])
def test_an_excluded_combination_has_no_rows_and_a_refused_one_has_a_reason(prompts: int) -> None:
    excluded = worlds.holed(prompts).study(np.random.default_rng(5)).columns
    assert (12.0, 4.0) not in set(zip(excluded[worlds.GUIDANCE], excluded[worlds.STEPS], strict=True))
    refused = worlds.holed(prompts, refused=True).study(np.random.default_rng(5)).columns
    rows = zip(*(refused[name] for name in (worlds.GUIDANCE, worlds.STEPS, "missing", "score")), strict=True)
    gone = [(g, s, why) for g, s, why, score in rows if score != score]
    assert set(gone) == {(12.0, 4.0, "refused")}
    assert 0.2 <= len(gone) / prompts <= 0.8


def noise_of(world: worlds.World, prompts: int, *, seeds: int = 400) -> np.ndarray[Any, Any]:
    """SD over seeds, [prompts, levels], in a world of one axis."""
    world = replace(world, seeds=seeds)
    columns = world.study(np.random.default_rng(6), prompts).columns
    scores = np.array(columns["score"]).reshape(prompts, seeds, -1)
    spread: np.ndarray[Any, Any] = scores.std(axis=1)
    return spread


@pytest.mark.parametrize("times", [2.0, 6.0])
def test_noise_is_as_many_times_louder_as_its_scatter_says(times: float) -> None:
    levels = noise_of(worlds.guided(3, scatters=(worlds.broken(worlds.GUIDANCE, (4.0,), times),)), 8).mean(axis=0)
    assert levels == pytest.approx([1.0, times, 1.0], rel=0.1)
    prompts = noise_of(worlds.guided(2, scatters=(worlds.every_second(times),)), 4).mean(axis=1)
    assert prompts == pytest.approx([1.0, times, 1.0, times], rel=0.15)
    prompts = noise_of(worlds.guided(2, scatters=(worlds.one_prompt(times),)), 3).mean(axis=1)
    assert prompts == pytest.approx([times, 1.0, 1.0], rel=0.15)


def test_prompts_answer_as_their_responses_say() -> None:
    def gains(world: worlds.World) -> np.ndarray[Any, Any]:
        columns = replace(world, own=0.0, seeds=1, shot=1e-9).study(np.random.default_rng(7), 4_000).columns
        scores = np.array(columns["score"]).reshape(4_000, -1)
        gained: np.ndarray[Any, Any] = scores[:, -1] - scores[:, 0]
        return gained

    few = gains(worlds.few(6))
    assert np.unique(few.round(6)).tolist() == [-0.4, 3.6]
    assert (few > 0).mean() == pytest.approx(0.1, abs=0.025)
    opposed = gains(worlds.opposed(6))
    assert np.unique(opposed.round(6)).tolist() == [-0.4, 0.4]
    assert (opposed > 0).mean() == pytest.approx(0.5, abs=0.04)
    assert gains(worlds.ALL["random slopes"]).std() == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("shared", [0.0, 0.3, 1.0])
def test_shared_seeds_do_the_same_in_every_prompt(shared: float) -> None:
    world = replace(worlds.same_seeds(200), shared=shared, seeds=300, own=0.0)
    scores = np.array(world.study(np.random.default_rng(8)).columns["score"]).reshape(200, 300, 3)
    common = (scores[..., 1] - scores[..., 0]).mean(axis=0)
    assert common.std() == pytest.approx(np.sqrt(2 * (shared**2 + world.shot**2 / 200)), rel=0.2)


def test_heavy_tails_are_heavy_and_have_the_same_spread() -> None:
    drawn = worlds.heavy(np.random.default_rng(9), (100_000,))
    assert drawn.std() == pytest.approx(1.0, abs=0.1)
    assert np.mean(np.abs(drawn) > 3) > 3 * stats.norm.sf(3) * 2


# The campaign.


@pytest.mark.parametrize("key", sorted(SMALL))
def test_every_row_can_be_counted_and_counts_the_same_again(key: str) -> None:
    count = verdicts.count_block(key, 0, 1, seed=1)
    assert count.hits <= count.counted <= count.studies == 1
    again = verdicts.count_block(key, 0, 1, seed=1)
    assert (again.hits, again.counted) == (count.hits, count.counted)


def always_different(*arguments: Any, **named: Any) -> Sequence[Finding]:
    return [replace(found, verdict="different") for found in verdicts.PRODUCT.findings(*arguments, **named)]


def always_equal(*arguments: Any, **named: Any) -> Sequence[Finding]:
    return [
        replace(
            found,
            verdict="equivalent",
            comparisons=tuple(replace(row, verdict="equivalent") for row in found.comparisons),
        )
        for found in verdicts.PRODUCT.findings(*arguments, **named)
    ]


def always_zero(*arguments: Any, **named: Any) -> Sequence[Finding]:
    return [replace(found, low=0.1, high=0.2) for found in verdicts.PRODUCT.findings(*arguments, **named)]


LIARS = {
    "always different": replace(verdicts.PRODUCT, findings=always_different),
    "always equal": replace(verdicts.PRODUCT, findings=always_equal),
    "never covers": replace(verdicts.PRODUCT, findings=always_zero),
    "names the worst": replace(
        verdicts.PRODUCT, recommend=lambda world, _: (max(world.made(), key=world.behind), True)
    ),
    "names the rare": replace(verdicts.PRODUCT, recommend=lambda world, _: (world.settings[-1], False)),
    "promises too early": replace(verdicts.PRODUCT, named=lambda *_, **__: 6),
}


@pytest.mark.parametrize(
    ("liar", "key"),
    [
        ("always different", "different heavy tails"),
        ("always different", "different few 6"),
        ("always equal", "equal coin 30"),
        ("always equal", "equal broken"),
        ("never covers", "headline 2 levels 12"),
        ("names the worst", "best twisted 20"),
        ("names the worst", "best excluded 12"),
        ("names the worst", "best refused 12"),
        ("names the rare", "best rare 3"),
        ("promises too early", "plan 2 levels 2 SD"),
    ],
)
def test_the_campaign_catches_a_liar(liar: str, key: str) -> None:
    count = verdicts.count_block(key, 0, 15, seed=2, judge=LIARS[liar])
    assert verdicts.state(SMALL[key], count) == "broken"


@dataclass(frozen=True, slots=True)
class Scoped(Finding):
    """A finding that says which prompts it speaks of."""

    scope: str = verdicts.NARROW


def of_these_prompts(world: worlds.World, columns: dict[str, list[Any]], *, width: float = 1.0, **_: Any) -> Any:
    """Satterthwaite's interval of two levels, written here from the textbook; `width` makes it lie."""
    scores = np.array(columns["score"]).reshape(-1, world.seeds, 2)
    gains = scores[..., 1] - scores[..., 0]
    parts = gains.var(axis=1, ddof=1) / world.seeds / len(gains) ** 2
    freedom = parts.sum() ** 2 / (parts**2 / (world.seeds - 1)).sum()
    half = width * stats.t.ppf(0.975, freedom) * np.sqrt(parts.sum())
    found = next(f for f in verdicts.PRODUCT.findings(world, columns) if f.kind == "axis")
    row = replace(found.comparisons[0], low=gains.mean() - half, high=gains.mean() + half)
    verdict = "inconclusive" if row.low <= 0 <= row.high else "different"
    values = {field.name: getattr(found, field.name) for field in fields(Finding)}
    return [Scoped(**{**values, "comparisons": (row,), "verdict": verdict, "scope": verdicts.NARROW})]


@pytest.mark.parametrize("key", ["these covers 5x6", "these covers 5x2", "these covers one prompt six-fold"])
def test_an_interval_for_these_prompts_is_held_against_their_own_truth(key: str) -> None:
    honest = replace(verdicts.PRODUCT, findings=of_these_prompts)
    count = verdicts.count_block(key, 0, 60, seed=4, judge=honest)
    assert count.counted == 60
    assert verdicts.state(SMALL[key], count) != "broken"
    liar = replace(verdicts.PRODUCT, findings=partial(of_these_prompts, width=0.4))
    assert verdicts.state(SMALL[key], verdicts.count_block(key, 0, 60, seed=4, judge=liar)) == "broken"


def test_who_never_names_a_winner_breaks_the_promise_to_find_a_clear_one() -> None:
    silent = replace(verdicts.PRODUCT, recommend=lambda *_: None)
    row = SMALL["best leads"]
    assert verdicts.state(row, verdicts.count_block(row.key, 0, 15, seed=2, judge=silent)) == "broken"


@pytest.mark.parametrize("key", ["best twisted 20", "best excluded 12"])
def test_who_names_no_winner_is_no_liar(key: str) -> None:
    for recommend in (lambda *_: None, lambda world, _: (max(world.made(), key=world.behind), False)):
        careful = replace(verdicts.PRODUCT, recommend=recommend)
        count = verdicts.count_block(key, 0, 15, seed=2, judge=careful)
        assert count.hits == 0


def test_who_names_the_best_setting_is_no_liar() -> None:
    honest = replace(verdicts.PRODUCT, recommend=lambda world, _: (world.best()[0], True))
    for key in ("best twisted 20", "best excluded 12", "best refused 12"):
        count = verdicts.count_block(key, 0, 100, seed=2, judge=honest)
        assert verdicts.state(SMALL[key], count) == "held"


counts = st.integers(1, 5_000).flatmap(lambda n: st.integers(0, n).map(lambda hits: Count(hits, n, n)))


@given(count=counts)
def test_each_bound_is_exact(count: Count) -> None:
    low, high = count.bounds
    assert low <= count.estimate <= high
    if count.hits:
        assert stats.binom.sf(count.hits - 1, count.counted, low) == pytest.approx(0.01, rel=1e-6)
    if count.hits < count.counted:
        assert stats.binom.cdf(count.hits, count.counted, high) == pytest.approx(0.01, rel=1e-6)


@given(count=counts, limits=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_row_is_broken_only_beyond_its_limits_and_held_only_within(count: Count, limits: tuple[float, float]) -> None:
    row = replace(SMALL["looks"], least=min(limits), most=max(limits))
    inside = row.least <= count.estimate <= row.most
    state = verdicts.state(row, count)
    assert not (state == "broken" and inside)
    assert not (state == "held" and not inside)


def test_a_limit_of_zero_is_broken_by_a_single_study() -> None:
    row = SMALL["best rare 1"]
    assert verdicts.state(row, Count(0, 10_000, 10_000)) == "held"
    assert verdicts.state(row, Count(1, 10_000, 10_000)) == "broken"


@given(studies=st.integers(1, 10_000), share=st.floats(0.001, 1), pace=st.floats(1e-5, 10))
def test_the_blocks_of_a_row_have_all_its_studies(studies: int, share: float, pace: float) -> None:
    row = replace(SMALL["looks"], studies=studies)
    cut = list(verdicts.blocks(row, share, pace))
    assert sum(taken for _, taken in cut) == max(round(studies * share), min(verdicts.FEWEST, studies))
    assert [block for block, _ in cut] == list(range(len(cut)))
    assert cut[0] == next(verdicts.blocks(row, share, float("inf")))


def test_a_campaign_that_was_stopped_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    chosen = [SMALL["headline 2 levels 12"], SMALL["these covers 5x2"]]

    def count(file: Path) -> dict[str, tuple[int, int]]:
        journal = Journal(file, told={"code": "today"})
        found = verdicts.campaign(chosen, 0.002, seed=3, journal=journal, processes=1)
        return {key: (count.hits, count.studies) for key, count in found.items()}

    whole = count(tmp_path / "whole")
    lines = (tmp_path / "whole").read_text("utf-8").splitlines()
    for kept in (1, len(lines) - 2):
        cut = tmp_path / f"cut {kept}"
        cut.write_text("\n".join([*lines[: kept + 1], lines[-1][:20]]), "utf-8")
        assert count(cut) == whole
    assert Journal(tmp_path / "whole", told={"code": "today"}).counts
    assert not Journal(tmp_path / "whole", told={"code": "tomorrow"}).counts


def test_rows_have_keys_of_their_own_and_goals_that_can_be_missed() -> None:
    assert len(SMALL) == len(verdicts.rows())
    for row in SMALL.values():
        assert 0 <= row.least <= row.most <= 1
        assert (row.least, row.most) != (0, 1)
        assert row.studies >= 10_000 or row.key.startswith(("plan", "more", "looks"))


def test_the_page_is_made_from_the_results_file() -> None:
    results = json.loads(verdicts.RESULTS.read_text(encoding="utf-8"))
    assert verdicts.page(results) == verdicts.PAGE.read_text(encoding="utf-8")
    assert [row["key"] for row in results["rows"]] == list(SMALL)


def test_the_goals_on_the_page_are_those_that_are_measured() -> None:
    results = json.loads(verdicts.RESULTS.read_text(encoding="utf-8"))
    for found in results["rows"]:
        row: Row = SMALL[found["key"]]
        assert (found["what"], found["goal"], found["of"]) == (row.what, row.goal, row.studies)
        count = Count(found["hits"], found["counted"], found["studies"], found["seconds"])
        assert found["state"] == verdicts.state(row, count)
