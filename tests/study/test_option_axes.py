"""Options of an engine as axes, in the study file: read, written, named in questions; refused where they are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests import tinted

import teststrip
from teststrip import study as studies
from teststrip.errors import StudyError
from teststrip.records import LevelRef, Study

HEAD = 'name = "o"\nprompts = ["an owl"]\n[engine]\nname = "tinted"\n'


@pytest.fixture(autouse=True)
def _installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    tinted.install(tmp_path_factory.mktemp("site"), monkeypatch)


def read(folder: Path, text: str, *overrides: str) -> Study:
    (folder / "study.toml").write_text(HEAD + text, encoding="utf-8")
    return studies.read(folder / "study.toml", overrides)


def made(**keys: Any) -> Study:
    return teststrip.Study(**{"name": "o", "prompts": ["an owl"], "engine": {"name": "tinted"}, **keys})


def test_an_option_is_an_axis_with_its_values_as_labels(tmp_path: Path) -> None:
    asked = read(tmp_path, '[axes]\ntone = ["warm", "cold"]\ngain = { from = 1, to = 2, count = 3 }\nmirror = [true]\n')
    tone, gain, mirror = asked.axes
    assert (tone.kind, tone.labels, tone.numbers) == ("option", ("warm", "cold"), None)
    assert (gain.labels, gain.numbers) == (("1", "1.5", "2"), (1.0, 1.5, 2.0))
    assert [(level.settings, level.options) for level in mirror.levels] == [({}, {"mirror": True})]


def test_options_stand_beside_settings_in_linked_levels(tmp_path: Path) -> None:
    (axis,) = read(tmp_path, '[axes]\nformat = [{ tone = "cold", eta = 0.5 }, { label = "x", cfg = 3 }]\n').axes
    assert [(one.label, dict(one.settings), dict(one.options)) for one in axis.levels] == [
        ("cold, 0.5", {"eta": 0.5}, {"tone": "cold"}),
        ("x", {"guidance_scale": 3.0}, {}),
    ]


def test_levels_are_named_in_exclusions_and_questions(tmp_path: Path) -> None:
    asked = read(
        tmp_path,
        '[axes]\ntone = ["warm", "cold"]\ntint = [0, 9, 7]\n[[exclude]]\ntint = 9\ntone = "cold"\n'
        '[question]\nmetrics = ["psnr"]\nreference = { tone = "warm", tint = 0 }\nknown_bad = { tint = 9 }\n',
    )
    assert asked.exclusions == ({"tint": ("9",), "tone": ("cold",)},)
    assert asked.question.reference == (LevelRef("tone", 0, "warm"), LevelRef("tint", 0, "0"))
    assert asked.question.known_bad == ((LevelRef("tint", 1, "9"),),)


def test_it_is_set_from_the_command_line(tmp_path: Path) -> None:
    assert read(tmp_path, "", "axes.tone=[cold,warm]").axes[0].labels == ("cold", "warm")
    assert read(tmp_path, "[axes]\ntint = [1]\n", "axes.tint={from=0,to=4,step=2}").axes[0].labels == ("0", "2", "4")
    assert read(tmp_path, "tint = 3\n", "axes.tint=[1]", "engine.tint=").axes[0].labels == ("1",)


@pytest.mark.parametrize(
    "axes",
    [
        {"tone": ["warm", "cold"], "gain": [1, 2]},
        {"format": [{"label": "a", "tone": "cold", "eta": 1 / 2}, {"label": "b", "grain": 0.5}]},
        {"grain": ["none", 0.5]},
    ],
)
def test_what_is_written_is_read_as_the_same_study(tmp_path: Path, axes: dict[str, Any]) -> None:
    asked = made(axes=axes, engine={"name": "tinted", "tint": 3})
    (tmp_path / "again.toml").write_text(studies.dump(asked), encoding="utf-8")
    assert studies.read(tmp_path / "again.toml") == asked


def test_a_word_of_the_prompts_stays_a_word() -> None:
    (axis,) = made(prompts=["a {tone} owl"], axes={"tone": ["red", "blue"]}).axes
    assert axis.kind == "word"


def test_the_schema_lets_editors_complete_them() -> None:
    rules: Any = studies.schema()["allOf"]
    (own,) = [
        rule["then"]["properties"] for rule in rules if "tone" in rule["then"]["properties"]["engine"]["properties"]
    ]
    assert own["axes"]["properties"]["tone"]["anyOf"][0]["items"]["enum"] == ["warm", "cold", "dark"]
    assert "seconds" not in own["axes"]["properties"]


TWO = {"a": {"name": "tinted"}, "b": {"name": "pattern"}}
REFUSED = {
    "a value that the option has not": (
        {"axes": {"tone": ["hot"]}},
        "axes.tone[0]: 'hot' is no tone of engine 'tinted'. There are: warm, cold, dark",
    ),
    "a value out of bounds in a linked level": (
        {"axes": {"x": [{"label": "a", "tint": 300}]}},
        "axes.x[0].tint: 300 is above 255, the largest tint of engine 'tinted'",
    ),
    "an option under [engine] and on an axis": (
        {"engine": {"name": "tinted", "tint": 1}, "axes": {"tint": [2, 3]}},
        "axes.tint: engine.tint is there too. Keep one of them",
    ),
    "an option under [engine] and in a linked level": (
        {"engine": {"name": "tinted", "tint": 0}, "axes": {"x": [{"label": "a", "eta": 1}, {"label": "b", "tint": 2}]}},
        "axes.x[1].tint: engine.tint is there too. Keep one of them",
    ),
    "an option under one of the engines and on an axis": (
        {"engine": None, "engines": {"a": {"name": "tinted"}, "b": {"name": "tinted", "tint": 1}},
         "axes": {"engine": ["a", "b"], "tint": [2, 3]}},
        "axes.tint: engines.b.tint is there too. Keep one of them",
    ),
    "an option on two axes": (
        {"axes": {"tint": [2, 3], "x": [{"label": "a", "tint": 1}, {"label": "b"}]}},
        "axes.x: tint is set by axes.tint too. Keep one of them",
    ),
    "an option that one of the engines lacks": (
        {"engine": None, "engines": TWO, "axes": {"engine": ["a", "b"], "tint": [2, 3]}},
        (
            "axes.tint[0]: engine 'pattern' has no option 'tint'. Write it under [engines.NAME] of those that have it,"
            " not for 'b'"
        ),
    ),
    "an option that changes no picture, in a linked level": (
        {"axes": {"x": [{"label": "a", "seconds": 1}]}},
        (
            "axes.x[0].seconds: seconds changes no picture of engine 'tinted', so its levels would be the same pictures"
            " under the same ids. Write it under [engine], and compare times by a study for each"
        ),
    ),
    "an option held fixed among settings": (
        {"settings": {"tint": 1}},
        (
            "settings.tint: engine 'tinted' has no setting 'tint'; it is an option. Write it under [engine], or several"
            " values under [axes]"
        ),
    ),
    "an option that changes no picture among settings": (
        {"settings": {"spin": 1}},
        "settings.spin: engine 'tinted' has no setting 'spin'; it is an option. Write it under [engine]",
    ),
    "one value of an option": (
        {"axes": {"tone": "warm"}},
        "axes.tone: must be a list, not text. A single value belongs under [engine]",
    ),
    "a name like that of an option": (
        {"axes": {"tnt": [1, 2]}},
        "axes.tnt: engine 'tinted' has no setting 'tnt' and no prompt holds {tnt}. Did you mean 'tint'?",
    ),
    "a name like that of an option in a linked level": (
        {"axes": {"x": [{"label": "a", "tnt": 1}]}},
        "axes.x[0].tnt: engine 'tinted' has no setting 'tnt'. Did you mean 'tint'?",
    ),
    "linked levels of which one spells a default out": (
        {"axes": {"x": [{"label": "a", "tint": 0}, {"label": "b"}, {"label": "c", "tint": 1}]}},
        "axes.x[1]: 'b' sets the same as [0], 'a'. Remove one",
    ),
    "a value that the engine refuses": (
        {"axes": {"gain": [1, 4]}},
        "axes.gain[1]: 4 is more than this machine can",
    ),
    "an option that the engine refuses beside a setting": (
        {"axes": {"tone": ["warm", "cold"], "eta": [0, 1]}},
        "at tone cold, eta 1: tone: 'cold' takes no eta of 1. Leave this combination out with [[exclude]]",
    ),
    "options that the engine refuses together": (
        {"axes": {"tone": ["warm", "dark"], "mirror": [False, True]}},
        "at tone dark, mirror true: tone: 'dark' cannot be mirrored. Leave this combination out with [[exclude]]",
    ),
    "a linked level that the engine refuses": (
        {"axes": {"x": [{"label": "a", "tint": 1}, {"label": "b", "tone": "cold", "eta": 1}]}},
        "axes.x[1]: tone: 'cold' takes no eta of 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_mistake_gets_exactly_this_message(mistake: str) -> None:
    keys, message = REFUSED[mistake]
    with pytest.raises(StudyError) as raised:
        made(**keys)
    assert str(raised.value).removeprefix("Study: ") == message


def test_what_the_engine_refuses_is_left_out_on_demand() -> None:
    asked = made(axes={"tone": ["warm", "dark"], "mirror": [False, True]}, exclude=[{"tone": "dark", "mirror": True}])
    assert len(teststrip.plan.of(asked).cells) == 3
