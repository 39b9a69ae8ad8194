"""The table of floors in the docs is what the import contracts and the docstrings say."""

from __future__ import annotations

from tools import floor_plan


def test_the_table_of_floors_is_up_to_date() -> None:
    text = floor_plan.PAGE.read_text(encoding="utf-8")
    assert text == floor_plan.page(text), "run: make docs"


def test_every_room_of_the_package_has_one_row_with_a_sentence() -> None:
    named = [row.split("|")[2:4] for row in floor_plan.table().splitlines()[2:]]
    assert sorted(name.strip(" `/") for name, _ in named) == sorted(floor_plan.rooms())
    assert all(said.strip().endswith(".") for _, said in named)
