"""Combinations without a picture: two axes together are told of the complete part of the table, or not at all."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis.scored import study

from teststrip import analysis
from teststrip.analysis.sentences import headlines
from teststrip.vocabulary import spoken

WORDS = ("DDIM", "Euler", "UniPC", "Heun")
NUMBERS = (4.0, 8.0, 16.0, 32.0)


@st.composite
def with_gaps(draw: st.DrawFn) -> tuple[dict[str, tuple[float | str, ...]], frozenset[tuple[float | str, ...]]]:
    """Two axes, and combinations that have no picture at all."""
    kinds = draw(st.sampled_from([(WORDS, NUMBERS), (NUMBERS, WORDS), (WORDS, WORDS), (NUMBERS, NUMBERS)]))
    one, other = (kind[: draw(st.integers(2, 4))] for kind in kinds)
    cells = list(itertools.product(one, other))
    gone = draw(st.sets(st.sampled_from(cells), min_size=1, max_size=3))
    return {"sampler": one, "width": other}, frozenset(gone)


@given(with_gaps(), st.sampled_from([(1, 1), (1, 8), (4, 3), (12, 1)]), st.integers(0, 9))
@settings(deadline=None, max_examples=25)
def test_a_combination_without_pictures_makes_no_sentence_of_unknowns(
    case: tuple[dict[str, tuple[float | str, ...]], frozenset[tuple[float | str, ...]]],
    size: tuple[int, int],
    seed: int,
) -> None:
    axes, gone = case
    table = study(*size, axes, lambda cell: float(len(str(cell[0]))), seed=seed)
    names = list(axes)
    places = list(zip(*(table[name] for name in names), strict=True))
    table["score"] = [math.nan if at in gone else value for at, value in zip(places, table["score"], strict=True)]
    table["missing"] = ["error" if at in gone else None for at in places]
    for one in analysis.findings(table, ["score"], axes=names):
        assert "unknown" not in f"{one.sentence} {one.beside} {headlines.write(one)}"
        assert " 0 prompts" not in one.sentence
        if one.kind != "interaction":
            continue
        left = [sentence for sentence in one.limits if sentence.startswith("Not every combination")]
        out = " ".join(left)
        kept = {name: [level for level in axes[name] if _said(name, level) not in out] for name in names}
        if left:  # the answer is that of a study of these levels alone
            chosen = [all(value in kept[name] for name, value in zip(names, at, strict=True)) for at in places]
            alone = {name: list(itertools.compress(column, chosen)) for name, column in table.items()}
            found = analysis.findings(
                alone, ["score"], axes=names, margin={"score": one.margin if one.margin > 0 else 1.0}
            )
            together = (row for other in found if other.kind == "interaction" for row in other.comparisons)
            rows = {row.contrast: row.effect for row in together}
            assert not gone & set(itertools.product(*kept.values()))
            for row in one.comparisons:
                if row.contrast in rows:
                    assert row.effect == pytest.approx(rows[row.contrast], abs=1e-9)


def _said(name: str, level: float | str) -> str:
    return f"{spoken(name)} {level if isinstance(level, str) else f'{level:g}'}"
