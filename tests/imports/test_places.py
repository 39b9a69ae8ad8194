"""Every imported picture stands where its own words say, whatever is missing around it; nothing stands twice."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.imports.folders import a1111, digests

from teststrip import imports
from teststrip import plan as planning
from teststrip import study as studies
from teststrip.engines.folder import FolderEngine
from teststrip.records import Failure, Render
from teststrip.verbs import importing

PLACES = [(p, s, n, c) for p in ("owl", "cat") for s in range(4) for n in (5, 9) for c in (3.0, 7.0)]
PICTURES = {place: a1111(place[0], place[1], steps=place[2], cfg=place[3]) for place in PLACES}
"""The seed of a picture is among its words, and is changed by the tests with a text of equal length."""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    yield folder
    shutil.rmtree(folder)


@given(
    kept=st.sets(st.sampled_from(PLACES), min_size=2),
    own=st.booleans(),
    far=st.sampled_from([0, 2**32, 2**63]),
)
@settings(max_examples=60)
def test_each_picture_is_handed_out_once_and_to_the_place_that_it_names(
    home: Path, kept: set[tuple[str, int, int, float]], own: bool, far: int
) -> None:
    """`own`: each prompt has seeds of its own. `far`: seeds that no study can have."""
    source, out = home / "in", home / "out"
    for folder in (source, out):
        shutil.rmtree(folder, ignore_errors=True)
    source.mkdir()
    for number, (prompt, seed, steps, cfg) in enumerate(sorted(kept)):
        told = seed + far + (10 if own and prompt == "cat" else 0)
        data = a1111(prompt, told, steps=steps, cfg=cfg, draw_seed=1 + seed)
        (source / f"{number}.png").write_bytes(data)
    found = importing.prepare(source)
    study = studies.read(importing.write(found, out))
    plan = planning.of(study)
    engine = FolderEngine(**next(iter(study.engines.values())).operation)  # type: ignore[arg-type]
    handed = []
    for planned in plan:
        (answer,) = engine.render([planned.shot])
        if isinstance(answer, Failure):
            continue
        assert isinstance(answer, Render)
        handed.append(str(answer.facts["imported"]))
        said = imports.read(answer.data)
        assert said is not None
        assert said.prompt == planned.prompt.text
        asked = planned.shot.settings
        for name in ("num_inference_steps", "guidance_scale"):
            assert asked.get(name, said.settings[name]) == said.settings[name]
        if study.seeds is not None and far == 0 and found.design.paired:
            assert said.seed == str(planned.shot.seed)
    copies = len(found.design.left_out)
    assert len(handed) == len(set(handed)) == len(found.design.placed) == len(kept) - copies
    assert set(digests(source).values()) >= set(handed)


@given(kept=st.sets(st.sampled_from(PLACES), min_size=8))
@settings(max_examples=30)
def test_one_replicate_of_a_paired_study_has_one_seed_in_all_settings(
    home: Path, kept: set[tuple[str, int, int, float]]
) -> None:
    source = home / "pairs"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    for number, place in enumerate(sorted(kept)):
        (source / f"{number}.png").write_bytes(PICTURES[place])
    found = importing.prepare(source)
    if not found.design.paired:
        return
    seeds: dict[object, set[str]] = {}
    for one in found.design.placed:
        seeds.setdefault((one.picture.said.prompt, one.replicate), set()).add(one.picture.said.seed)
    assert all(len(own) == 1 for own in seeds.values())
