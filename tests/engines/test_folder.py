"""The engine of pictures that exist keeps the contract of all engines, and stands beside others in one study."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.imports.folders import PROMPTS, a1111, grid, midjourney

from teststrip import plan
from teststrip import study as studies
from teststrip.engines.folder import FolderEngine
from teststrip.errors import EngineError, StudyError
from teststrip.imports import index
from teststrip.records import EngineRef, Failure, Render, Shot, Value
from teststrip.testing.engine_contract import EngineContract
from teststrip.verbs import importing
from teststrip.verbs.run import drive


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An import that has the shots of the contract."""
    home = tmp_path_factory.mktemp("contract")
    source = home / "in"
    source.mkdir()
    for prompt in ("an owl", "a blood-red rose"):
        for seed in (1, 2**32 - 1):
            for steps in (20, 30):
                data = a1111(prompt, seed, steps=steps)
                (source / f"{prompt} {seed} {steps}.png").write_bytes(data)
    importing.carry_out(importing.prepare(source), home / "out").result.close()
    return home / "out" / "imported"


class TestFolderKeepsTheContract(EngineContract):
    @pytest.fixture
    def engine(self, known: Path) -> FolderEngine:
        return FolderEngine(source=str(known))

    @pytest.fixture
    def ref(self, known: Path) -> EngineRef:
        return EngineRef("folder", operation={"source": str(known)})

    @pytest.fixture
    def knobs(self) -> Mapping[str, Value]:
        return {"num_inference_steps": 20}


def asked(**settings: Value) -> Shot:
    return Shot(EngineRef("folder"), {"prompt": "an owl", "seed": 1, "num_inference_steps": 20, **settings})


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"prompt": "a cat"}, "no picture has this prompt"),
        ({"num_inference_steps": 21}, "no picture of this prompt has these settings"),
        ({"seed": 9}, "there are 2 pictures of this prompt with these settings, and none for this place"),
    ],
)
def test_a_place_without_a_picture_fails_for_good(known: Path, settings: dict[str, Value], text: str) -> None:
    (answer,) = FolderEngine(source=str(known)).render([asked(**settings)])
    assert isinstance(answer, Failure)
    assert (answer.reason, answer.retryable, answer.text) == ("invalid", False, text)


def handed(engine: FolderEngine, *seeds: int, **settings: Value) -> list[str]:
    """The picture that each seed gets, or why it gets none."""
    answers = engine.render([asked(seed=seed, **settings) for seed in seeds])
    return [str(one.facts["imported"]) if isinstance(one, Render) else one.text for one in answers]


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("seeds", [(1, 2), (2, 3, 4), (5, 0)])
def test_no_picture_of_paired_ones_stands_at_two_seeds(tmp_path: Path, paired: bool, seeds: tuple[int, ...]) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for seed in seeds:
        for steps in (20, 30):
            (source / f"{seed} {steps}.png").write_bytes(a1111("an owl", seed, steps=steps))
    importing.write(importing.prepare(source), tmp_path / "out")
    found = handed(FolderEngine(source=str(tmp_path / "out" / "imported"), paired=paired), *range(7))
    assert len(set(found) - {found[6]}) == len(seeds)
    assert [seed for seed in range(7) if found[seed] != found[6]] == sorted(seeds)
    assert found[6].endswith("none for this place")


def test_a_picture_stands_at_one_of_its_numbers_in_a_cell(known: Path) -> None:
    first = plan.seeds_of("an owl", 1)[0]
    engine = FolderEngine(source=str(known))
    picture, why = handed(engine, first, 1)
    assert len(picture) == 64
    assert why == f"the picture of this place stands at seed {first} already"
    assert handed(engine, first, 2**32 - 1) == [picture, handed(engine, 2**32 - 1)[0]]
    assert handed(engine, 1, num_inference_steps=30)[0] not in (picture, why)


def test_a_value_that_no_picture_has_is_an_error_before_the_run(known: Path) -> None:
    engine = FolderEngine(source=str(known))
    with pytest.raises(StudyError, match="num_inference_steps: no picture has '21'"):
        engine.check({"num_inference_steps": 21})
    with pytest.raises(StudyError, match="these pictures differ in num_inference_steps, too"):
        engine.check({"guidance_scale": 7.0})
    with pytest.raises(StudyError, match="source is missing"):
        FolderEngine().check({})


def test_pictures_that_are_gone_or_changed_fail_alone(known: Path, tmp_path: Path) -> None:
    copied = tmp_path / "imported"
    copied.mkdir()
    for path in known.iterdir():
        (copied / path.name).write_bytes(path.read_bytes())
    engine = FolderEngine(source=str(copied))
    (render,) = engine.render([asked()])
    assert isinstance(render, Render)
    picture = next(path for path in copied.iterdir() if path.name.startswith(str(render.facts["imported"])))
    outside = picture.rename(tmp_path / "outside.png")
    for change in ("gone", "link", "text"):
        if change == "link":
            picture.symlink_to(outside)
        elif change == "text":
            picture.unlink()
            picture.write_text("no picture")
        (answer,) = engine.render([asked()])
        assert isinstance(answer, Failure), change


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "no json\n",
        "[]\n",
        '{"teststrip_import": 2, "aside": []}\n',
        '{"teststrip_import": 1, "aside": []}\n{"file": "../../etc/passwd", "settings": {}, "said": []}\n',
        '{"teststrip_import": 1, "aside": []}\n{"file": "' + "a" * 64 + '.png", "settings": {"a": []}, "said": []}\n',
        '{"teststrip_import": 1, "aside": []}\n{"file": "' + "a" * 64 + '.png", "settings": {}, "said": []}\n',
        '{"teststrip_import": 1, "aside": []}\n' + "{" * 100_000 + "\n",
        "\0\xff\n",
    ],
)
def test_a_list_of_a_stranger_is_refused_in_one_line(tmp_path: Path, lines: str) -> None:
    (tmp_path / index.NAME).write_text(lines, encoding="latin-1")
    with pytest.raises(EngineError, match=r"^source: .*\. (Import|Name)") as error:
        FolderEngine(source=str(tmp_path))
    assert "\n" not in str(error.value)


def test_a_folder_without_a_list_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="Name the folder `imported` that `teststrip import` wrote"):
        FolderEngine(source=str(tmp_path))


def test_imported_pictures_stand_beside_made_ones(tmp_path: Path) -> None:
    importing.carry_out(
        importing.prepare(midjourney(tmp_path / "mj", PROMPTS)), tmp_path / "imported-mj"
    ).result.close()
    text = f"""
name = "beside"
prompts = {list(PROMPTS)}
replicates = 4
[engines.mj]
name = "folder"
source = "imported-mj/imported"
stylize = 250
[engines.here]
name = "pattern"
width = 24
height = 24
[axes]
engine = ["mj", "here"]
[question]
metrics = ["sharpness"]
"""
    file = tmp_path / "beside.toml"
    file.write_text(text, encoding="utf-8")
    before = Path.cwd()
    outcome = drive(file, tmp_path / "runs" / "beside", trackers=())
    assert Path.cwd() == before
    assert (outcome.made, outcome.failed) == (48, 0)
    with outcome.result as result:
        assert not result.paired_seeds
        finding = next(one for one in result.findings if one.kind == "axis")
        assert (finding.axis, finding.paired) == ("engine", False)
    copied = (tmp_path / "runs" / "beside" / "study.toml").read_text("utf-8")
    assert 'source = "../../imported-mj/imported"' in copied
    assert drive(tmp_path / "runs" / "beside", trackers=()).made == 0
    file.write_text(text.replace("stylize = 250\n", ""), encoding="utf-8")
    with pytest.raises(StudyError, match="these pictures differ in stylize, too"):
        studies.read(file)


@pytest.mark.parametrize("source", ["//machine/share", r"\\\\machine\\share"])
def test_a_study_of_a_stranger_asks_no_other_machine(tmp_path: Path, source: str) -> None:
    file = tmp_path / "study.toml"
    file.write_text(f'name = "x"\nprompts = ["an owl"]\n[engine]\nname = "folder"\nsource = "{source}"\n')
    with pytest.raises(StudyError, match=r"engine.source: leads to another machine"):
        studies.reopen(file)


def test_ids_do_not_depend_on_where_the_pictures_lie(tmp_path: Path) -> None:
    source = grid(tmp_path / "in", PROMPTS[:1])
    for name in ("one", "two"):
        importing.carry_out(importing.prepare(source), tmp_path / name).result.close()
    ids = [sorted(plan.of(studies.read(tmp_path / name / "study.toml")).ids()) for name in ("one", "two")]
    assert ids[0] == ids[1]
    assert os.sep not in ids[0][0]
