"""Pictures of another size than was asked for are found, whatever asked for the size, and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.studies import little

from teststrip import plan as planning
from teststrip.records import Image, Row, Study
from teststrip.rows.sizes import other_sizes

GRID = st.sampled_from([1, 8, 16])
SIDES = st.integers(1, 200)


def made(study: Study, grid: int) -> list[Row]:
    """Rows of a model that rounds each side down to its grid, and has 64 pixels where nothing is asked."""
    rows = []
    for n, planned in enumerate(planning.of(study)):
        width, height = (
            max(int(planned.shot.settings.get(side) or 64) // grid, 1) * grid for side in ("width", "height")
        )
        rows.append(Row(planned, Image(planned.shot.id, f"{n:064x}", "a.png", width, height, 1, 0.1, "f")))
    return rows


@given(SIDES, st.sets(SIDES, min_size=2, max_size=3), GRID)
def test_each_picture_of_another_size_is_counted_once_and_no_other(height: int, widths: set[int], grid: int) -> None:
    study = little(settings={"height": height}, axes={"width": sorted(widths), "guidance_scale": [1, 7]})
    rows = made(study, grid)
    found = other_sizes(study, rows)
    wrong = [
        row for row in rows if row.image and _asked(row.planned.shot.settings) != (row.image.width, row.image.height)
    ]
    assert sum(one.images for one in found) == len(wrong)
    assert all(axis == "width" for one in found for axis, _ in one.levels)
    for one in found:
        missed = one.asked[0] != one.made[0]
        assert one.levels == ((("width", str(one.asked[0])),) if missed else ())


def _asked(settings: Mapping[str, object]) -> tuple[object, object]:
    return settings["width"], settings["height"]


def test_a_row_without_a_picture_says_nothing_of_sizes(tmp_path: Path) -> None:
    study = little(axes={"width": [30, 60]}, settings={})
    assert not other_sizes(study, [replace(row, image=None) for row in made(study, 8)])
