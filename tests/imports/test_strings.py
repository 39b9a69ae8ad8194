"""Texts of public files are read as their tools meant them."""

from __future__ import annotations

import pytest
from tests.imports import files
from tests.imports.strings import CASES, NOT_MIDJOURNEYS, Case

from teststrip.imports import Understood, read
from teststrip.imports.scanner import pairs


def understood(data: bytes, name: str = "") -> Understood:
    found = read(data, name)
    assert found is not None
    return found


def compare(found: Understood, case: Case) -> None:
    settings = dict(found.settings)
    negative = settings.pop("negative_prompt", None)
    assert (found.tool, found.prompt, negative, found.seed) == (case.tool, case.prompt, case.negative, case.seed)
    assert found.job == case.job
    if case.settings is not None:
        assert settings == case.settings
    assert {key: settings.get(key) for key in case.some} == case.some
    assert not settings.keys() & {*case.without}
    assert {one.key for one in found.unread} >= {*case.unread}
    for start in case.remarks:
        assert any(remark.startswith(start) for remark in found.remarks), found.remarks
    if not case.remarks and case.settings is not None:
        assert found.remarks == ()


@pytest.mark.parametrize("name", CASES)
def test_a_public_text_has_its_right_parse(name: str) -> None:
    case = CASES[name]
    compare(understood(files.png(case.texts)), case)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "parameters" in case.texts])
def test_a_text_after_the_pixels_is_read_as_well(name: str) -> None:
    case = CASES[name]
    chunks = [files.text(keyword, said) for keyword, said in case.texts.items()]
    compare(understood(files.png_with(*chunks, after_pixels=True)), case)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "parameters" in case.texts])
@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
@pytest.mark.parametrize(
    ("code", "head"),
    [
        ("utf-16-be", b"UNICODE\0"),
        ("utf-16-le", b"UNICODE\0"),
        ("utf-8", b"UNICODE\0"),
        ("utf-8", b"ASCII\0\0\0"),
        ("utf-8", b"\0" * 8),
        ("utf-8", b""),
    ],
)
def test_photos_say_the_same_in_every_encoding_in_use(name: str, form: str, code: str, head: bytes) -> None:
    case = CASES[name]
    compare(understood(files.photo(files.comment(case.texts["parameters"], code, head), form=form)), case)


def test_a_line_of_odd_values_has_three_fields() -> None:
    text = 'Name: "John, Doe", Json: {"key:with:colon": "value, with, comma"}}}}}}}})))>>, It still: should work'
    assert pairs(text) == [
        ("Name", "John, Doe"),
        ("Json", '{"key:with:colon": "value, with, comma"}'),
        ("It still", "should work"),
    ]


@pytest.mark.parametrize(("name", "fields"), [("2", 3), ("3", 10), ("4", 11), ("10", 7), ("11", 7)])
def test_a_line_has_as_many_fields_as_its_tool_wrote(name: str, fields: int) -> None:
    text = next(case.texts["parameters"] for key, case in CASES.items() if key.split()[0] == name)
    assert len(pairs(text.split("\n")[-1])) == fields


@pytest.mark.parametrize("text", NOT_MIDJOURNEYS)
def test_not_every_description_is_midjourneys(text: str) -> None:
    assert read(files.png({"Description": text})) is None


def test_the_leading_hyphen_of_a_negative_prompt_of_draw_things_is_taken_off() -> None:
    said = (
        "<dc:description><rdf:Alt><rdf:li>a knight&#xA;-&lt;simpleneg&gt; elongated torso&#xA;Steps: 25, Sampler: "
        "DPM++ 2M, CFG scale: 7, Seed: 999, Size: 1024x1536, Model: sdxl_base</rdf:li></rdf:Alt></dc:description>"
    )
    found = understood(files.photo(xmp=files.xmp(said)))
    assert (found.tool, found.prompt, found.seed) == ("Draw Things", "a knight", "999")
    assert found.settings["negative_prompt"] == "<simpleneg> elongated torso"
    assert found.settings["height"] == 1536


@pytest.mark.parametrize("line", ["an owl Negative prompt: a cat Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"])
def test_everything_may_stand_on_one_line(line: str) -> None:
    found = understood(files.png({"parameters": line}))
    assert (found.prompt, found.settings["negative_prompt"], found.seed) == ("an owl", "a cat", "1")


def test_settings_may_stand_on_several_lines() -> None:
    found = understood(files.png({"parameters": "an owl\nSteps: 20\nSampler: Euler a\nCFG scale: 7\nSeed: -1"}))
    assert (found.prompt, found.seed, found.settings["guidance_scale"]) == ("an owl", "-1", 7.0)


@pytest.mark.parametrize("seed", ["0", "4294967296", "18446744073709551615", "-7"])
def test_a_seed_of_any_size_and_sign_is_kept_as_text(seed: str) -> None:
    found = understood(files.png({"parameters": f"an owl\nSteps: 20, Seed: {seed}, Size: 8x8"}))
    assert found.seed == seed


def test_two_names_of_one_sampler_are_one_level_and_names_of_two_never() -> None:
    def settings(words: str) -> dict[str, object]:
        found = understood(files.png({"parameters": f"an owl\nSteps: 20, {words}, Seed: 1"})).settings
        return {name: value for name, value in found.items() if name.startswith(("scheduler", "spacing"))}

    same = [
        "DPM++ 2M Karras",
        "DPM++ 2M, Schedule type: Karras",
        "dpmpp_2m_karras",
        "k_dpmpp_2m, Schedule type: karras",
    ]
    assert len({str(settings(f"Sampler: {word}")) for word in same}) == 1
    others = [
        "Euler",
        "Euler a",
        "DPM fast",
        "DPM++ 2M",
        "Euler, Schedule type: Simple",
        "Euler, Schedule type: SGM Uniform",
    ]
    assert len({str(settings(f"Sampler: {word}")) for word in others}) == len(others)
