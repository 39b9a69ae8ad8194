"""A hosted model that changes behind its name is told, with how many images each version made."""

from __future__ import annotations

from dataclasses import replace

from tests.studies import little

from teststrip.results import unheeded
from teststrip.results.result import open_result
from teststrip.rows import versions
from teststrip.verbs.run import drive


def test_two_versions_of_one_model_are_a_warning_and_one_is_not(tmp_path) -> None:
    drive(little(), tmp_path / "s", trackers=[], views=False).result.close()
    with open_result(tmp_path / "s") as result:
        rows, study = list(result.rows()), result.study
        facts = [{"answered": {"model": f"v{i % 2}"}} for i in range(len(rows))]
        table, cards = result.columns(), result.cards
    several = [replace(row, image=replace(row.image, facts=fact)) for row, fact in zip(rows, facts, strict=True)]
    assert versions.answered(several) == {"None": {"v0": 2, "v1": 2}}
    (said,) = unheeded.sentences(study, several, table, cards)
    assert "v0 (2 images) and v1 (2 images)" in said
    assert versions.answered(several[::2]) == {}
    assert versions.answered(rows) == {}
    strange = [
        replace(rows[0], image=replace(rows[0].image, facts={"answered": odd})) for odd in ("x", {"model": 7}, None)
    ]
    assert versions.answered(strange) == {}
