"""LoRAs and textual inversions by name and in stacks, as a study file writes them: read without torch."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip.errors import StudyError
from teststrip.plan import of
from teststrip.records import Study
from teststrip.stacks import INVERSION, LORA, Part, read, written
from teststrip.study import dump, parse, reopen

TOP = 'name = "demo"\nprompts = ["an owl"]\n'
NAMES = '[loras.hyper]\nfile = "h.safetensors"\n[loras.detail]\nfile = "d.safetensors"\nscale = 0.25\n'


def study(text: str, tmp_path: Path) -> Study:
    """A study whose files need not be there."""
    file = tmp_path / "study.toml"
    file.write_text(TOP + text, encoding="utf-8")
    return reopen(file)


def asked(made: Study, setting: str = "lora") -> list[object]:
    plan = of(made)
    return [plan.first(cell).shot.settings.get(setting) for cell in plan.cells]


def test_an_axis_with_and_without_names_its_levels_as_they_are_written(tmp_path: Path) -> None:
    levels = '["none", "hyper", "detail", "detail 1.0", "hyper + detail", "detail 0.5 + hyper 2", "x.safetensors"]'
    made = study(f"{NAMES}[axes]\nlora = {levels}", tmp_path)
    assert made.axes[0].labels[4:6] == ("hyper + detail", "detail 0.5 + hyper 2")
    assert asked(made) == [
        *(None, "h.safetensors", "d.safetensors 0.25", "d.safetensors"),
        *("d.safetensors 0.25 + h.safetensors 1", "d.safetensors 0.5 + h.safetensors 2", "x.safetensors"),
    ]
    again = tmp_path / "again.toml"
    again.write_text(dump(made), encoding="utf-8")
    assert reopen(again) == made


@pytest.mark.parametrize(
    "word",
    [
        "h.safetensors + d.safetensors 0.25",
        "d.safetensors .25 + h.safetensors 1.0",
        "  hyper   +  detail",
        "detail 0.250 + hyper 1",
        '"d.safetensors" 0.25 + hyper',
    ],
)
def test_one_stack_has_one_id_however_it_is_written(word: str, tmp_path: Path) -> None:
    plain = "[settings]\nlora = "
    used = f"{NAMES}[axes]\nway = [{{ lora = '{word}' }}, {{ lora = 'hyper + detail 0.5' }}]"
    first = next(iter(of(study(used, tmp_path)))).shot
    assert first.id == next(iter(of(study(f"{plain}'d.safetensors 0.25 + h.safetensors 1'", tmp_path)))).shot.id


def test_a_single_file_is_what_it_was_and_stands_under_settings_engines_and_linked_levels(tmp_path: Path) -> None:
    assert asked(study('[settings]\nlora = "my style 2.safetensors"', tmp_path)) == ["my style 2.safetensors"]
    assert asked(study(f'{NAMES}[engine]\nlora = "hyper + detail"', tmp_path)) == [
        "d.safetensors 0.25 + h.safetensors 1"
    ]
    several = f'{NAMES}[engines.a]\nlora = "hyper"\n[engines.b]\nlora = "detail"\n[axes]\nengine = ["a", "b"]'
    assert asked(study(several, tmp_path)) == ["h.safetensors", "d.safetensors 0.25"]


FILES = st.text("ab +1.\\/-", min_size=1, max_size=8).map(lambda text: text.strip() + "x.safetensors")
ODD = st.sampled_from(["a + b.safetensors", "x 0.5", "x as y", "x + y", "plain.safetensors"])
SCALES = st.floats(-10, 10, allow_nan=False).map(lambda scale: scale + 0.0)


@given(st.lists(st.builds(Part, FILES | ODD, SCALES), min_size=2, max_size=4))
def test_a_word_is_read_as_it_was_written(parts: list[Part]) -> None:
    assert read(LORA, written(LORA, parts)) == tuple(sorted(parts, key=lambda part: (part.file, part.token)))


@given(st.lists(st.builds(Part, FILES | ODD, st.none(), st.sampled_from(["<a>", "b", ""])), min_size=1, max_size=3))
def test_a_word_of_textual_inversions_is_read_as_it_was_written(parts: list[Part]) -> None:
    ordered = sorted(parts, key=lambda part: (part.file, part.token))
    assert read(INVERSION, written(INVERSION, parts)) == tuple(ordered)


@given(st.lists(st.builds(Part, FILES | ODD, SCALES), min_size=1, max_size=4))
def test_the_order_of_a_stack_is_in_no_id(parts: list[Part]) -> None:
    assert written(LORA, parts) == written(LORA, parts[::-1]) or len({part.file for part in parts}) < len(parts)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'[settings]\nlora = "hypr"\n{NAMES}', "settings.lora: 'hypr' is no .safetensors file, and there is no"),
        (f'[settings]\nlora = "hyper + detial"\n{NAMES}', "Did you mean 'detail'? There are: hyper, detail"),
        ('[settings]\nlora = "a + b.safetensors"', "stands in double quotes"),
        (
            f'[axes]\nlora = ["hyper", "detail + d.safetensors"]\n{NAMES}',
            "axes.lora[1]: 'd.safetensors' is there twice",
        ),
        (f'[axes]\nlora = ["hyper", "detail 11"]\n{NAMES}', "axes.lora[1]: the scale 11 must be from -10 to 10"),
        (f'[axes]\nlora = ["hyper", "detail + "]\n{NAMES}', "axes.lora[1]: "),
        (f'[axes]\nlora = ["hyper", "h.safetensors", "detail"]\n{NAMES}', "sets the same as [0]"),
        (f'[settings]\nlora = "hyper"\n{NAMES}', 'loras.detail: nothing uses it. Write lora = "detail"'),
        ('[loras.a]\nfile = "a.bin"', "loras.a.file: 'a.bin' is no .safetensors file"),
        ('[loras.a]\nfiel = "a"', "loras.a: unknown key 'fiel'. Did you mean 'file'?"),
        ("[loras.a]\nscale = 1", "loras.a: file is missing"),
        ('[loras.a]\nfile = "a.safetensors"\nscale = 11', "loras.a.scale: 11 must be from -10 to 10"),
        ('[loras.none]\nfile = "a.safetensors"', "loras.none: a name must be"),
    ],
)
def test_a_wrong_stack_is_an_error_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        study(text, tmp_path)
    assert said in str(caught.value)


def test_what_a_stack_asks_of_the_engine_is_said_at_its_level() -> None:
    text = '[settings]\nlora = "nowhere.safetensors 1 + h.safetensors 0.5"'
    with pytest.raises(StudyError, match=r"settings.lora: 'h.safetensors' is no .safetensors file"):
        parse(tomllib.loads(TOP + text), place="study.toml", folder=Path())
