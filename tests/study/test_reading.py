"""What a study file may say, and what it means."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.study.toy import ToyEngine

import teststrip
from teststrip import plan
from teststrip.errors import StudyError, UsageError
from teststrip.records import EngineRef, Level, Study
from teststrip.study import reopen

HEAD = 'name = "demo"\nprompts = ["an owl"]\n[engine]\nname = "pattern"\n'


def read(tmp_path: Path, text: str, *overrides: str) -> Study:
    file = tmp_path / "study.toml"
    file.write_text(text, encoding="utf-8")
    return teststrip.read(file, overrides)


def study(**keys: object) -> Study:
    return teststrip.Study(**{"name": "demo", "prompts": ["an owl"], "engine": {"name": "pattern"}, **keys})


def labels(study: Study, axis: int = 0) -> tuple[str, ...]:
    return study.axes[axis].labels


# --- axes ---


def test_whole_numbers_become_the_kind_of_the_setting() -> None:
    levels = study(axes={"guidance_scale": [7, 7.5], "num_inference_steps": [50, 20.0]}).axes
    assert levels[0].levels == (Level("7", {"guidance_scale": 7.0}), Level("7.5", {"guidance_scale": 7.5}))
    assert [type(level.settings["num_inference_steps"]) for level in levels[1].levels] == [int, int]


@pytest.mark.parametrize(
    ("range_", "expected"),
    [
        ({"from": 1, "to": 12, "count": 5}, ("1", "3.75", "6.5", "9.25", "12")),
        ({"from": 0, "to": 1, "step": 0.1}, ("0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1")),
        ({"from": 3, "to": 1, "step": 1}, ("3", "2", "1")),
        ({"from": 1, "to": 2, "step": 0.3}, ("1", "1.3", "1.6", "1.9")),
    ],
)
def test_a_range_is_spread_evenly_without_the_rounding_of_binary_fractions(
    range_: dict[str, float], expected: tuple[str, ...]
) -> None:
    assert labels(study(axes={"guidance_scale": range_})) == expected


def test_linked_settings_are_one_axis_under_a_free_name() -> None:
    sampler = [
        {"label": "DDIM", "scheduler": "DDIMScheduler", "steps": 20},
        {"scheduler": "DPMSolverMultistepScheduler", "steps": 10},
    ]
    axis = study(axes={"sampler": sampler}).axes[0]
    assert (axis.name, axis.kind) == ("sampler", "linked")
    assert axis.labels == ("DDIM", "DPMSolverMultistepScheduler, 10")
    assert axis.levels[0].settings == {"scheduler": "DDIMScheduler", "num_inference_steps": 20}


def test_a_linked_level_may_leave_everything_at_its_default() -> None:
    axis = study(axes={"arm": [{"label": "plain"}, {"label": "noisy", "eta": 1}]}).axes[0]
    assert axis.levels[0] == Level("plain", {})


def test_a_word_of_the_prompts_is_an_axis(tmp_path: Path) -> None:
    asked = read(
        tmp_path,
        'name = "demo"\nprompts = ["an owl and a {animal} in a {{boat}}"]\n[engine]\nname = "pattern"\n'
        '[axes]\nanimal = ["pussycat", "cat"]\n',
    )
    assert asked.axes[0].kind == "word"
    made = list(plan.of(asked))
    assert [one.shot.prompt for one in made] == ["an owl and a pussycat in a {boat}", "an owl and a cat in a {boat}"]
    assert made[0].shot.seed == made[1].shot.seed


def test_several_engines_are_an_axis_each_with_its_own_settings(toy: type[ToyEngine]) -> None:
    asked = teststrip.Study(
        name="demo",
        prompts=["an owl"],
        engines={"plain": {"name": "pattern", "eta": 1}, "half": {"name": "toy", "dtype": "float16", "device": "cpu"}},
        axes={"engine": ["plain", "half"], "steps": [5, 6]},
    )
    assert asked.engines["half"] == EngineRef("toy", {"dtype": "float16"}, {"device": "cpu"})
    shots = [one.shot for one in plan.of(asked)]
    assert [(shot.engine.name, shot.settings["num_inference_steps"]) for shot in shots] == [
        ("pattern", 5),
        ("pattern", 6),
        ("toy", 5),
        ("toy", 6),
    ]
    assert shots[0].settings["eta"] == 1.0
    assert "eta" not in shots[2].settings
    assert shots[2].settings["model"] == "emoji"


def test_a_setting_that_one_engine_lacks_must_stand_with_the_others(toy: type[ToyEngine]) -> None:
    engines = {"a": {"name": "pattern"}, "b": {"name": "toy"}}
    with pytest.raises(StudyError) as raised:
        teststrip.Study(
            name="demo",
            prompts=["an owl"],
            engines=engines,
            axes={"engine": ["a", "b"]},
            settings={"negative_prompt": "blur"},
        )
    assert str(raised.value) == (
        "Study: settings.negative_prompt: engine 'toy' has no setting 'negative_prompt'."
        " Write it under [engines.NAME] of those that have it, not for 'b'"
    )


def test_one_named_engine_needs_no_axis() -> None:
    asked = teststrip.Study(name="demo", prompts=["an owl"], engines={"mine": {"name": "pattern", "width": 32}})
    assert list(asked.engines) == ["engine"]
    assert asked.settings == {"width": 32}


def test_the_model_stands_with_the_engine_and_is_a_setting(toy: type[ToyEngine]) -> None:
    asked = study(engine={"name": "toy", "model": "a/b"})
    assert asked.settings == {"model": "a/b"}
    assert asked.engines["engine"].options == {"dtype": "auto"}


def test_what_the_engine_refuses_is_said_at_the_level_that_is_wrong(toy: type[ToyEngine]) -> None:
    with pytest.raises(StudyError) as raised:
        study(engine={"name": "toy"}, settings={"steps": 5}, axes={"scheduler": ["Fast", "Slow"]})
    assert str(raised.value) == "Study: at scheduler Slow: scheduler: 'Slow' needs 10 steps or more"
    with pytest.raises(StudyError) as raised:
        study(engine={"name": "toy"}, axes={"scheduler": ["Fast", "Slow"], "steps": [5, 10]})
    assert str(raised.value) == (
        "Study: at scheduler Slow, num_inference_steps 5: scheduler: 'Slow' needs 10 steps or more."
        " Leave this combination out with [[exclude]]"
    )
    fine = study(
        engine={"name": "toy"},
        axes={"scheduler": ["Fast", "Slow"], "steps": [5, 10]},
        exclude=[{"scheduler": "Slow", "steps": 5}],
    )
    assert len(plan.of(fine).cells) == 3


def test_a_study_that_ran_reopens_without_asking_the_engine(toy: type[ToyEngine], tmp_path: Path) -> None:
    text = 'name = "demo"\nprompts = ["an owl"]\n[engine]\nname = "toy"\nscheduler = "Slow"\nnum_inference_steps = 5\n'
    with pytest.raises(StudyError):
        read(tmp_path, text)
    assert reopen(tmp_path / "study.toml").settings == {"scheduler": "Slow", "num_inference_steps": 5}


def test_synonyms_of_other_tools_are_translated() -> None:
    asked = study(
        settings={"sampler": "DDIMScheduler"}, axes={"cfg": [1, 3], "steps": [5, 10]}, exclude=[{"cfg": 3, "steps": 5}]
    )
    assert asked.settings == {"scheduler": "DDIMScheduler"}
    assert [axis.name for axis in asked.axes] == ["guidance_scale", "num_inference_steps"]
    assert asked.exclusions == ({"guidance_scale": ("3",), "num_inference_steps": ("5",)},)


def test_exclusions_match_values_labels_and_lists() -> None:
    asked = study(
        axes={"cfg": [1, 3, 7], "arm": [{"label": "a", "eta": 0.5}, {"label": "b", "eta": 1}]},
        exclude=[{"cfg": [1, "3"], "arm": "b"}],
    )
    assert [str(cell) for cell in plan.of(asked).cells] == [
        "guidance_scale 1, arm a",
        "guidance_scale 3, arm a",
        "guidance_scale 7, arm a",
        "guidance_scale 7, arm b",
    ]


def test_minus_nought_is_nought() -> None:
    assert study(settings={"eta": -0.0}) == study(settings={"eta": 0})
    assert str(study(settings={"eta": -0.0}).settings["eta"]) == "0.0"


# --- the rest of the file ---


def test_the_question_is_read() -> None:
    asked = study(question={"metrics": ["sharpness", "seconds"], "margin": {"sharpness": 2}, "budget": "0.02 USD"})
    assert asked.question.metrics == ("sharpness", "seconds")
    assert asked.question.margin == {"sharpness": 2.0}
    assert asked.question.budget == "0.02 USD"


def test_trackers_keep_their_options() -> None:
    assert study(trackers={"tensorboard": {"side": 64}}).trackers == {"tensorboard": {"side": 64}}


def test_explicit_seeds_set_the_number_of_replicates() -> None:
    asked = study(seeds=[5, 7, 0])
    assert (asked.seeds, asked.replicates) == ((5, 7, 0), 3)
    assert study(seeds={"from": 1, "to": 4, "step": 1}).seeds == (1, 2, 3, 4)


def test_python_takes_tuples_ranges_and_arrays_as_lists() -> None:
    asked = study(prompts=("an owl",), seeds=range(2), axes={"guidance_scale": np.linspace(1, 3, 3), "eta": (0, 1)})
    assert labels(asked) == ("1", "2", "3")
    assert asked.seeds == (0, 1)


def test_a_byte_order_mark_of_windows_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_bytes(b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode())
    assert teststrip.read(tmp_path / "study.toml").name == "demo"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEAD.encode("utf-16"), "study.toml: line 1 is not UTF-8. Save the file as UTF-8"),
        (
            b"# " + b"x" * 2**20,
            'study.toml: is larger than 1 MB. Move the prompts to a file: prompts = { file = "prompts.txt" }',
        ),
        (b"x = " + b"[" * 100_000, "study.toml: is nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_a_study_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "study.toml").write_bytes(content)
    with pytest.raises(StudyError) as raised:
        teststrip.read(tmp_path / "study.toml")
    assert str(raised.value) == message


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    path = tmp_path / "absent.toml"
    with pytest.raises(StudyError, match="no such file") as raised:
        teststrip.read(path)
    assert str(raised.value) == f"{path}: no such file. Write one with: teststrip init {path}"


def test_a_message_never_repeats_a_secret(tmp_path: Path) -> None:
    secret = "hf_" + "Ab3" * 12
    for text in (
        HEAD + f'token = "{secret}"\n',
        HEAD + f'[axes]\nx = ["{secret}"]\n',
        HEAD + f"{secret} = 1\n",
        f'name = "{secret}"\n',
    ):
        with pytest.raises(StudyError) as raised:
            read(tmp_path, text)
        assert secret not in str(raised.value)


def test_a_description_of_a_thing_is_no_secret() -> None:
    prompts = ["a sk-shaped ski-lift-in-the-mountains", "a token of love", "hf_radio on a desk", "task-1234567890123"]
    assert len(study(prompts=prompts).prompts) == 4


# --- --set ---


@pytest.mark.parametrize(
    ("override", "attribute", "expected"),
    [
        ("replicates=3", "replicates", 3),
        ("name=other", "name", "other"),
        ("settings.negative_prompt=a dull day", "settings", {"negative_prompt": "a dull day"}),
        ('settings.negative_prompt=""', "settings", {"negative_prompt": ""}),
        ("settings.steps=7", "settings", {"num_inference_steps": 7}),
        ("question.metrics=[sharpness, contrast]", "question", None),
    ],
)
def test_set_changes_any_key(tmp_path: Path, override: str, attribute: str, expected: object) -> None:
    asked = read(tmp_path, HEAD, override)
    if expected is None:
        assert asked.question.metrics == ("sharpness", "contrast")
    else:
        assert getattr(asked, attribute) == expected


def test_set_replaces_axes_in_any_spelling_and_removes_keys(tmp_path: Path) -> None:
    text = HEAD + "[axes]\nguidance_scale = [1, 3]\n[[exclude]]\nguidance_scale = 3\n"
    asked = read(
        tmp_path, text, "exclude=", "axes.cfg=[2, 4]", "axes.scheduler=[DDIMScheduler,DPMSolverMultistepScheduler]"
    )
    assert labels(asked) == ("2", "4")
    assert labels(asked, 1) == ("DDIMScheduler", "DPMSolverMultistepScheduler")
    assert asked.exclusions == ()
    other = read(tmp_path, text, "exclude[0].guidance_scale=1", "exclude[0].steps=5", "axes.steps=[5, 6]")
    assert other.exclusions == ({"guidance_scale": ("1",), "num_inference_steps": ("5",)},)
    assert len(read(tmp_path, HEAD, "prompts[1]=a rose").prompts) == 2


def test_a_mistake_that_came_by_set_says_so(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as raised:
        read(tmp_path, HEAD, "axes.guidance_scale=[1,-1]")
    assert str(raised.value) == (
        "study.toml with --set: axes.guidance_scale[1]: -1 is below 0, the least guidance_scale of engine 'pattern'"
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("replicates", "--set 'replicates' is not KEY=VALUE. Write --set axes.guidance_scale=[1,2]"),
        ("=3", "--set '=3' is not KEY=VALUE. Write --set axes.guidance_scale=[1,2]"),
        ("a..b=3", "--set 'a..b=3' is not KEY=VALUE. Write --set axes.guidance_scale=[1,2]"),
        ("name.x=3", "--set name.x: name holds no x"),
        ("prompts[3]=3", "--set prompts[3]: prompts holds no [3]"),
        ("axes.cfg={from=1", "--set 'axes.cfg={from=1': {from=1 is no TOML value"),
    ],
)
def test_an_override_that_leads_nowhere_is_refused(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(tmp_path, HEAD, override)
    assert str(raised.value) == message


# --- prompts ---


def prompts_of(tmp_path: Path, name: str, content: str | bytes) -> Study:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read(tmp_path, f'name = "demo"\nprompts = {{ file = "{name}" }}\n[engine]\nname = "pattern"\n')


def test_prompts_come_from_text_tables_and_lines(tmp_path: Path) -> None:
    expected = [("owl", "an owl, at night", ("animal", "night")), ("a-rose", "a rose", ())]
    csv = 'id,text,tags\nowl,"an owl, at night",animal; night\n,a rose,\n\n'
    tsv = "Prompt\tid\ttags\tNote\nan owl, at night\towl\tanimal;night\tx\na rose\t\t\t\n"
    jsonl = '{"id": "owl", "text": "an owl, at night", "tags": ["animal", "night"]}\n\n"a rose"\n'
    for name, content in (("p.csv", csv), ("p.tsv", tsv), ("p.jsonl", jsonl)):
        found = prompts_of(tmp_path, name, content).prompts
        assert [(p.id, p.text, p.tags) for p in found] == expected, name
    lines = prompts_of(tmp_path, "p.txt", b"\xef\xbb\xbfan owl, at night\r\n\r\n  a rose  \n").prompts
    assert [p.text for p in lines] == ["an owl, at night", "a rose"]


PUBLIC = {
    "PartiPrompts, quotes that are no quotes": (
        "PartiPrompts.tsv",
        (
            'Prompt\tCategory\tChallenge\tNote\n"G I G G L E" painted in colours\tArts\tWriting & Symbols\t\n'
            'a 5" nail\tAnimals\tBasic\tx\n'
        ),
        [('"G I G G L E" painted in colours', ("Arts", "Writing & Symbols")), ('a 5" nail', ("Animals", "Basic"))],
        "Prompt",
    ),
    "a table with tabs from a spreadsheet, quotes that are quotes": (
        "p.tsv",
        'prompt\tid\n"a ""good"" owl"\towl\n"a\trose"\t\n',
        [('a "good" owl', ()), ("a\trose", ())],
        "prompt",
    ),
    "DrawBench": (
        "drawbench.csv",
        'Prompts,Category\n"A red, shiny car.",Colors\nA black car.,Colors\n',
        [("A red, shiny car.", ("Colors",)), ("A black car.", ("Colors",))],
        "Prompts",
    ),
    "GenEval": (
        "geneval.jsonl",
        '{"tag": "single", "include": [{"class": "bench", "count": 1}], "prompt": "a bench"}\n',
        [("a bench", ("single",))],
        "prompt",
    ),
    "a list of texts": ("hps.json", '["an owl", "a rose"]', [("an owl", ()), ("a rose", ())], ""),
    "captions with identifiers": (
        "coco.json",
        '[{"image_id": 3, "id": 7, "caption": "An owl."}]',
        [("An owl.", ())],
        "caption",
    ),
    "semicolons, as spreadsheets of half of Europe write": (
        "p.csv",
        "id;Prompt\n1;an owl, at night\n",
        [("an owl, at night", ())],
        "Prompt",
    ),
    "UTF-16, as some editors save": (
        "p.txt",
        "an owl\r\nCafé\r\n".encode("utf-16"),
        [("an owl", ()), ("Café", ())],
        "",
    ),
}


@pytest.mark.parametrize("case", PUBLIC)
def test_prompt_files_that_people_have_are_read_and_the_columns_said(tmp_path: Path, case: str) -> None:
    name, content, expected, column = PUBLIC[case]
    found = prompts_of(tmp_path, name, content)
    assert [(prompt.text, prompt.tags) for prompt in found.prompts] == expected
    assert found.prompt_file is not None
    assert (found.prompt_file.name, found.prompt_file.text) == (name, column)


def test_a_column_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("url,was,text\nx,an owl,y\n")
    text = 'name = "demo"\nprompts = {{ file = "p.csv", column = "{}" }}\n[engine]\nname = "pattern"\n'
    assert read(tmp_path, text.format("was")).prompts[0].text == "an owl"
    with pytest.raises(StudyError, match=r"p.csv: has no column 'what'. Its columns are 'url', 'was', 'text'"):
        read(tmp_path, text.format("what"))


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=5),
    st.sampled_from(["csv", "tsv"]),
)
def test_whatever_a_spreadsheet_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], kind: str
) -> None:
    texts = list(dict.fromkeys(text.strip() for text in texts if text.strip() and "{" not in text))
    if not texts:
        return
    stream = io.StringIO()
    writer = csv.writer(stream, dialect="excel-tab" if kind == "tsv" else "excel")
    writer.writerows([["Prompt", "Category"], *([text, "a"] for text in texts)])
    found = prompts_of(tmp_path_factory.mktemp("p"), f"p.{kind}", stream.getvalue())
    assert [prompt.text for prompt in found.prompts] == texts


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.txt", b"an owl\nCaf\xe9\n", "study.toml: prompts.file: 'p.txt' is not UTF-8 (byte 10). Save it as UTF-8"),
        ("p.txt", "\n\n", "study.toml: prompts.file: 'p.txt' holds no prompt"),
        (
            "p.txt",
            "an owl\na rose\nan owl\n",
            "p.txt line 3: is the same text as p.txt line 1. For more images of it, raise replicates",
        ),
        (
            "p.csv",
            "a,b\n1,2\n",
            (
                "p.csv: its columns are 'a', 'b'; one must be called 'text' or 'prompt'. Name it with column = ..., or"
                " write the prompts into a .txt file, one a line"
            ),
        ),
        (
            "p.csv",
            "text,id\nan owl, at night,owl\n",
            "p.csv line 2: has 3 columns, the first line 2. Put quotes around a text with commas",
        ),
        ("p.csv", 'text\n"an owl\n', "p.csv line 2: is no valid row: unexpected end of data"),
        ("p.jsonl", '"an owl"\n{\n', None),
        (
            "p.jsonl",
            '{"txt": "an owl", "tag": "x"}\n',
            (
                "p.jsonl line 1: its columns are 'txt', 'tag'; one must be called 'text' or"
                " 'prompt'. Name it with column ="
                " ..., or write the prompts into a .txt file, one a line"
            ),
        ),
        (
            "p.json",
            '{"text": "an owl"}',
            "p.json: must be a list of texts, or of tables with a text each. Or write one a line into a .jsonl",
        ),
        ("p.txt", "a {word}\n", None),
    ],
)
def test_a_mistake_in_a_prompt_file_names_file_and_line(
    tmp_path: Path, name: str, content: str | bytes, message: str | None
) -> None:
    with pytest.raises(StudyError) as raised:
        prompts_of(tmp_path, name, content)
    if message is not None:
        assert str(raised.value) == message


def test_a_link_out_of_the_folder_is_no_way_out(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.txt").write_text("an owl\n")
    (inside / "prompts.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(StudyError, match="lies outside the study's folder"):
        read(inside, 'name = "demo"\nprompts = { file = "prompts.txt" }\n')


def test_ids_of_prompts_are_short_unique_and_made_from_the_text() -> None:
    texts = [
        "a single blood-red rose with thorns dripping blood",
        "an owl",
        "an owl!",
        "ふくろう",
        "con",
        "x" * 80,
        {"text": "mine", "id": "an-owl-2"},
    ]
    assert [prompt.id for prompt in study(prompts=texts).prompts] == [
        "a-single-blood-red-rose-with",
        "an-owl",
        "an-owl-3",
        "prompt-4",
        "prompt-5",
        "x" * 32,
        "an-owl-2",
    ]


@pytest.mark.process
def test_reading_a_study_loads_neither_torch_nor_pydantic() -> None:
    code = (
        "import sys, teststrip.study, teststrip.plan;"
        "heavy = {'torch', 'numpy', 'PIL', 'pandas', 'scipy', 'diffusers', 'pydantic'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"steps": 8}, [("num_inference_steps", 1, "8")]),
        ({"engine": "b", "cfg": 1}, [("engine", 1, "b"), ("guidance_scale", 0, "1")]),
    ],
)
def test_a_reference_names_levels_and_changes_no_shot(
    reference: dict[str, object], expected: list[tuple[str, int, str]]
) -> None:
    keys: dict[str, Any] = {
        "name": "demo",
        "prompts": ["an owl"],
        "engines": {"a": {"name": "pattern"}, "b": {"name": "pattern", "width": 32}},
        "axes": {"engine": ["a", "b"], "cfg": [1, 7], "steps": [2, 8]},
    }
    plain, referred = (teststrip.Study(**keys, question=question) for question in ({}, {"reference": reference}))
    assert [(one.axis, one.index, one.label) for one in referred.question.reference] == expected
    assert list(plan.of(referred).ids()) == list(plan.of(plain).ids())
    assert replace(referred, question=plain.question) == plain
