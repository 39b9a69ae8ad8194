"""Whatever stands at any key of a study: a study, or one short line that says where, what, and the remedy."""

from __future__ import annotations

import copy
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip import errors
from teststrip.analysis.advice.costs import Budget
from teststrip.characters import HOSTILE
from teststrip.errors import StudyError, UsageError
from teststrip.records import Study
from teststrip.study import dump, parse, read
from teststrip.study.overrides import apply
from teststrip.study.place import dotted
from teststrip.verbs import forecast
from teststrip.verbs.verify import sample_size

LONGEST_MESSAGE = 1_000  # characters: some list all names that are known

FULL: Mapping[str, Any] = {
    "name": "full",
    "prompts": [{"text": "a {thing}", "id": "thing", "tags": ["a tag"]}, "another {thing}"],
    "replicates": 2,
    "engine": {"name": "pattern", "fail": "", "seconds": 0.0},
    "settings": {"height": 32, "eta": 0.5, "negative_prompt": "blur"},
    "axes": {
        "guidance_scale": [1, 7.5],
        "num_inference_steps": {"from": 1, "to": 9, "step": 4},
        "width": {"from": 32, "to": 64, "count": 2},
        "arm": [
            {"label": "a", "scheduler": "DDIMScheduler"},
            {"label": "b", "scheduler": "DPMSolverMultistepScheduler"},
        ],
        "thing": ["owl", "rose"],
    },
    "exclude": [{"guidance_scale": 1, "arm": ["a"]}],
    "question": {
        "metrics": ["sharpness", "seconds"],
        "margin": {"sharpness": 0.2},
        "budget": "4s",
        "price_an_hour": 1.5,
        "scope": "both",
    },
    "trackers": {"tensorboard": {"side": 64}},
}
SEEDED: Mapping[str, Any] = {
    "name": "seeded",
    "prompts": ["an owl"],
    "seeds": [1, 2],
    "engines": {"one": {"name": "pattern"}, "two": {"name": "pattern", "eta": 1.0}},
    "axes": {"engine": ["one", "two"]},
    "question": {"metrics": ["diversity"], "margin": 0.3},
    "metrics": {"diversity": {"model": ""}},
}
Path_ = tuple[str | int, ...]


def paths(value: object, above: Path_ = ()) -> Iterator[Path_]:
    """The path of every value, tables and lists included."""
    if above:
        yield above
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*above, key))


PLACES = [(base, path) for base in (FULL, SEEDED) for path in paths(base)]
TEXTS = [(base, path) for base, path in PLACES if isinstance(path[-1], str)]


def at(data: object, path: Path_) -> Any:
    for step in path:
        data = data[step]  # type: ignore[index]
    return data


def changed(base: Mapping[str, Any], path: Path_, value: object) -> dict[str, Any]:
    data = copy.deepcopy(dict(base))
    at(data, path[:-1])[path[-1]] = value
    return data


def renamed(base: Mapping[str, Any], path: Path_, key: str) -> dict[str, Any]:
    data = copy.deepcopy(dict(base))
    table = at(data, path[:-1])
    table[key] = table.pop(path[-1])
    return data


def judged(data: Mapping[str, Any]) -> Study | None:
    """The study; None where it is refused, in one short line."""
    try:
        return parse(data, place="study.toml", folder=Path.cwd())
    except errors.TeststripError as error:
        message = str(error)
        assert len(message) <= LONGEST_MESSAGE, f"{len(message)} characters: {message[:300]}"
        assert message.startswith("study.toml"), message
        assert len(message.splitlines()) == 1, message
        return None


digits = st.integers(1, 5000)
numbers = st.one_of(
    st.builds(lambda n, sign: sign * 10**n, digits, st.sampled_from([1, -1])),
    st.builds(lambda n: 10**n - 1, st.integers(300, 420)),
    st.floats(),
    st.sampled_from([2**63, 2**63 - 1, -(2**63), 1e308, -1e308, 5e-324, math.inf, -math.inf, math.nan]),
)
texts = st.one_of(
    st.text(st.characters() | st.characters(categories=["Cs"]), max_size=20),
    st.builds(lambda letter, n: letter * n, st.sampled_from(["x", "{", "9", "é", "\u202e"]), st.just(3000)),
    st.builds(lambda n, unit: "9" * n + unit, st.integers(1, 5000), st.sampled_from(["s", " calls", "0.5 USD", "%"])),
)
leaves = numbers | texts | st.booleans()
hostile = leaves | st.lists(leaves, max_size=3) | st.dictionaries(texts, leaves, max_size=2)


@given(st.sampled_from(PLACES), hostile)
def test_any_value_at_any_place_is_taken_or_refused_in_one_short_line(
    where: tuple[Mapping[str, Any], Path_], value: object
) -> None:
    study = judged(changed(*where, value))
    if study is not None:
        assert parse(tomllib_of(study), place="study.toml", folder=Path.cwd()) == study


def tomllib_of(study: Study) -> dict[str, Any]:
    return tomllib.loads(dump(study))


@pytest.mark.parametrize("value", [10**400, -(10**400), 10**5000, math.inf], ids=["+", "-", "vast", "inf"])
def test_no_key_takes_a_number_without_a_float(value: float) -> None:
    assert parse(FULL, place="study.toml", folder=Path.cwd())
    assert parse(SEEDED, place="study.toml", folder=Path.cwd())
    for base, path in PLACES:
        assert judged(changed(base, path, value)) is None, path


@given(st.sampled_from(TEXTS), texts)
def test_any_key_is_taken_or_refused_in_one_short_line(where: tuple[Mapping[str, Any], Path_], key: str) -> None:
    judged(renamed(*where, key))


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\x80", "\x85", "\x9b", "\x9f", "\ud800"])
def test_no_text_of_a_study_holds_a_character_that_commands_a_terminal(character: str) -> None:
    for base, path in PLACES:
        if isinstance(value := at(base, path), str):
            assert judged(changed(base, path, f"{value}{character}")) is None, path
    for base, path in TEXTS:
        assert judged(renamed(base, path, f"{path[-1]}{character}")) is None, path


@given(st.text(st.sampled_from("\u200f\u202e\u2066\u200dא"), min_size=1, max_size=5))
def test_text_that_turns_around_is_kept_but_written_as_escapes(text: str) -> None:
    study = parse(changed(FULL, ("prompts", 0, "text"), f"a {text} {{thing}}"), place="study.toml", folder=Path.cwd())
    assert not HOSTILE.search(dump(study))
    assert tomllib_of(study)["prompts"][0]["text"] == f"a {text} {{thing}}"


@given(st.sampled_from(PLACES), numbers | texts, st.sampled_from(["", "[99999999999999999999]", "." + "k" * 3000]))
def test_any_override_is_taken_or_refused_in_one_short_line(
    where: tuple[Mapping[str, Any], Path_], value: object, more: str
) -> None:
    base, path = where
    data = copy.deepcopy(dict(base))
    written = str(value) if isinstance(value, str | float) else "9" * value.bit_length()  # type: ignore[attr-defined]
    message = applied(data, f"{dotted(path)}{more}={written}")
    assert len(message) <= LONGEST_MESSAGE
    if not message:
        judged(data)


def applied(data: dict[str, Any], override: str) -> str:
    """Why an override cannot be applied; an empty text where it was."""
    try:
        apply(data, [override])
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "text",
    [f"name = 'x'\n{'k' * 3000} = 1\n", f"[{'k' * 3000}]\n[{'k' * 3000}]\n", f"name = '{'x' * 3000}'\n",
     f"x = {'9' * 5000}\n", f"{'k' * 3000} = 1\n{'k' * 3000} = 2\n"],
)  # fmt: skip
def test_a_file_of_long_keys_is_refused_in_a_short_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(StudyError) as raised:
        read(tmp_path / "study.toml")
    assert len(str(raised.value)) <= LONGEST_MESSAGE


@pytest.mark.parametrize("key", ["margin", "price_an_hour"])
@pytest.mark.parametrize("value", [1e300, 5e-324, 10**300], ids=["large", "small", "whole"])
def test_the_largest_and_smallest_numbers_can_be_planned(tmp_path: Path, key: str, value: float) -> None:
    margin = {"margin": {"sharpness": value}} if key == "margin" else {key: value}
    question = {"metrics": ["sharpness"], "budget": "9" * 300 + " USD", **margin}
    asked = {**a_little(), "question": question}
    file = tmp_path / "study.toml"
    file.write_text(dump(parse(asked, place="study.toml", folder=tmp_path)))
    overview = forecast.of(file, None, [])
    assert [*forecast.lines(overview), forecast.time_line(overview)]


def a_little() -> dict[str, Any]:
    return {"name": "little", "prompts": ["an owl"], "engine": {"name": "pattern"}, "axes": {"guidance_scale": [1, 7]}}


@pytest.mark.parametrize("text", ["9" * 400 + "%", "1e400%", "inf%", "nan%", "9" * 5000, "x" * 3000, "-1"])
def test_a_sample_that_is_no_share_is_refused_in_a_short_line(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        sample_size(text, 480)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("text", ["9" * 400 + "s", "9" * 400 + ".5 USD", "x" * 3000])
def test_a_budget_without_a_float_is_refused_in_a_short_line(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        Budget.parse(text)
    assert len(str(raised.value)) < 200
