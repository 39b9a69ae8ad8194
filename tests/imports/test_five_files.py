"""Each format that is read has five files or more by its own rules here, of which one at least is hostile.

The table is held against the readers that are registered, so a new format fails here until its files are made. What a
file says in each place is asserted in `test_formats` and its neighbours; here each is read by its own format's reader.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.imports import files, graphs
from tests.imports.strings import CASES
from tests.imports.test_formats import DRAW, EASY, FOOOCUS, INVOKE, JOB, NOVEL, PLACES, SWARM
from tests.imports.test_hostile_files import sane

from teststrip.errors import UsageError
from teststrip.imports import Understood, csvs, read
from teststrip.imports.reading import READERS
from teststrip.pictures import stamp
from teststrip.pictures.stamps import unstamp
from teststrip.records import EngineRef, Fingerprint, Render, Shot

Make = Callable[[], bytes]
TOOLS: Mapping[str, set[str]] = {
    "own": {"Teststrip"},
    "invokeai": {"InvokeAI"},
    "swarmui": {"SwarmUI"},
    "fooocus": {"Fooocus"},
    "novelai": {"NovelAI"},
    "drawthings": {"Draw Things"},
    "easydiffusion": {"Easy Diffusion"},
    "a1111": {"A1111", "Forge", "SD.Next", "Civitai"},
    "comfyui": {"ComfyUI"},
    "midjourney": {"Midjourney"},
}
"""What the readers of each module call their tools."""
RED = "an \x1b[31mowl"
HUGE: dict[str, Any] = {"steps": "9" * 400, "seed": "9" * 400, "cfg_scale": "1e999", "num_inference_steps": -1}


def stamped(data: bytes, form: str, **settings: Any) -> bytes:
    """A picture as Teststrip writes it."""
    shot = Shot(EngineRef("pattern"), {"prompt": "an owl", "seed": 5, **settings})
    return stamp(Render(shot, data, form, 16, 16, 0.0, Fingerprint({"engine": "pattern"})))  # type: ignore[arg-type]


def forged(settings: object) -> bytes:
    """A PNG with a record that Teststrip itself would never write."""
    record = {"teststrip": 1, "engine": "pattern", "options": {}, "settings": settings}
    return files.png({"teststrip": json.dumps(record)})


def texts_of(tools: set[str]) -> dict[str, Make]:
    return {name: lambda case=case: files.png(case.texts) for name, case in CASES.items() if case.tool in tools}


def table(keyword: str, said: Mapping[str, Any]) -> Make:
    return lambda: files.png({keyword: json.dumps(said)})


GOOD: Mapping[str, Mapping[str, Make]] = {
    "own": {
        "PNG": lambda: stamped(files.png(), "png"),
        "JPEG": lambda: stamped(files.photo(), "jpeg"),
        "WebP": lambda: stamped(files.photo(form="WEBP"), "webp"),
        "settings of a scheduler": lambda: stamped(
            files.png(), "png", scheduler="DDIMScheduler", **{"scheduler.use_karras_sigmas": True}
        ),
        "an empty negative prompt": lambda: stamped(files.png(), "png", negative_prompt="", guidance_scale=7.5),
        "letters of many scripts": lambda: stamped(files.png(), "png", prompt='梟 🦉 Eule\n{1girl}, "a: b"'),
        "beside the text of another tool": lambda: stamped(files.png(CASES["1 hashes are one value"].texts), "png"),
    },
    "invokeai": PLACES["InvokeAI"],
    "swarmui": PLACES["SwarmUI"],
    "fooocus": PLACES["Fooocus"],
    "novelai": PLACES["NovelAI"],
    "drawthings": PLACES["Draw Things"],
    "easydiffusion": PLACES["Easy Diffusion"],
    "a1111": texts_of(TOOLS["a1111"]),
    "comfyui": {
        "plain": lambda: files.png(graphs.texts(graphs.PLAIN)),
        "in parts": lambda: files.png(graphs.texts(graphs.FLUX)),
        "two samplers": lambda: files.png(graphs.texts(graphs.TWO)),
        "a workflow": lambda: files.png({"workflow": json.dumps(graphs.WORKFLOW)}),
        "WebP": lambda: files.photo({0x0110: b"prompt:" + json.dumps(graphs.PLAIN).encode()}, form="WEBP"),
        **texts_of(TOOLS["comfyui"]),
    },
    "midjourney": {
        **texts_of(TOOLS["midjourney"]),
        "XMP": lambda: files.photo(
            xmp=files.xmp(f"<dc:description>an owl --chaos 5 --v 7 Job ID: {JOB}</dc:description>")
        ),
        "no flags": lambda: files.png({"Description": f"an owl Job ID: {JOB}"}),
    },
}
HOSTILE: Mapping[str, Mapping[str, Make]] = {
    "own": {
        "a command for terminals": lambda: forged({"prompt": RED, "seed": 5, "style": RED}),
        "numbers beyond sense": lambda: forged(
            {"prompt": "an owl", "seed": 10**250, "steps": 10**250, "odd": -(10**250)}
        ),
        "names that are none": lambda: forged({"prompt": "an owl", RED: 1, "../../etc": 2, "engine": "x", "": 3}),
        "lists and tables": lambda: forged({"prompt": ["an owl"], "seed": {"a": 1}, "steps": [1], "x": {"y": {}}}),
        "a text of a megabyte": lambda: forged({"prompt": "owl " * 250_000, "style": "x" * 10**6}),
        "half a character": lambda: stamped(files.png(), "png", prompt="an \ud800 owl"),
    },
    "invokeai": {"all": table("invokeai_metadata", INVOKE | HUGE | {"positive_prompt": RED})},
    "swarmui": {"all": table("parameters", {"sui_image_params": SWARM["sui_image_params"] | HUGE | {"prompt": RED}})},
    "fooocus": {"all": table("parameters", FOOOCUS | HUGE | {"prompt": RED, "resolution": "(9e9, -1)"})},
    "novelai": {
        "texts": lambda: files.png(NOVEL | {"Comment": json.dumps(HUGE | {"prompt": RED, "v4_prompt": [[[]]]})}),
        "stealth": lambda: files.stealthy(NOVEL | {"Comment": json.dumps(HUGE | {"prompt": RED}), "Description": RED}),
    },
    "drawthings": {
        "all": lambda: files.photo(
            xmp=files.xmp(
                "<exif:UserComment><rdf:Alt><rdf:li>"
                + json.dumps(DRAW | HUGE | {"c": "an \x9bowl", "size": "axb"}).replace('"', "&quot;")
                + "</rdf:li></rdf:Alt></exif:UserComment>"
            )
        )
    },
    "easydiffusion": {
        "all": lambda: files.png({key: str(one) for key, one in (EASY | HUGE | {"prompt": RED}).items()})
    },
    "a1111": {
        "a command for terminals": lambda: files.png({"parameters": f"{RED}\nSteps: 20, Seed: 1, Size: 8x8"}),
        "numbers beyond sense": lambda: files.png({"parameters": f"an owl\nSteps: {'9' * 400}, Seed: 1e9, Size: 0x9"}),
    },
    "comfyui": {
        "a node that is its own": lambda: files.png(graphs.texts(graphs.changed(graphs.PLAIN, n6={"text": ["6", 0]}))),
        "a command for terminals": lambda: files.png(graphs.texts(graphs.changed(graphs.PLAIN, n6={"text": RED}))),
    },
    "midjourney": {
        "a command for terminals": lambda: files.png({"Description": f"{RED} --v 7 Job ID: {JOB}"}),
        "flags without end": lambda: files.png({"Description": "an owl " + "--ar 1:1 " * 10**4 + f"Job ID: {JOB}"}),
    },
}
TABLES: Mapping[str, bytes] = {
    "commas": b"file,prompt,seed,steps\na.png,an owl,1,20\n",
    "semicolons and a mark": "\ufefffile;prompt;seed\r\na.png;an owl;1\r\n".encode(),
    "tabs in UTF-16": "filename\tprompt\tseed\na.png\tan owl\t1\n".encode("utf-16"),
    "quotes and lines": b'image,prompt,seed\n"a.png","an owl,\nat ""night""",1\n',
    "Windows": "path|prompt|seed\n.\\a.png|une chouette \xe0 l'aube|1\n".encode("cp1252"),
}
HOSTILE_TABLES: Mapping[str, bytes] = {
    "a command for terminals": f"file,prompt,seed\na.png,{RED},1\n".encode(),
    "numbers beyond sense": f"file,prompt,seed,steps\na.png,an owl,{'9' * 400},1e999\n".encode(),
    "zero bytes": b"file,prompt\n" + b"\0" * 1000 + b",x\n",
    "a quote that never ends": b'file,prompt\na.png,"' + b"owl " * 10**5,
    "more cells than heads": b"file,prompt\na.png" + b",x" * 10**5 + b"\n",
}


def named(reader: Callable[..., object]) -> str:
    return reader.__module__.rpartition(".")[2]


def test_every_reader_that_is_registered_has_five_files_and_a_hostile_one() -> None:
    assert {named(reader) for reader in READERS} == GOOD.keys() == HOSTILE.keys() == TOOLS.keys()
    for name in GOOD:
        assert len(GOOD[name]) + len(HOSTILE[name]) >= 5, name
        assert len(GOOD[name]) >= 4, name
        assert HOSTILE[name], name
    assert len(TABLES) >= 5
    assert HOSTILE_TABLES


def every(made: Mapping[str, Mapping[str, Make]]) -> list[Any]:
    return [pytest.param(name, make, id=f"{name} {kind}") for name in made for kind, make in made[name].items()]


@pytest.mark.parametrize(("name", "make"), every(GOOD))
def test_a_file_is_read_by_its_own_formats_reader(name: str, make: Make) -> None:
    found = read(make())
    assert found is not None
    assert found.tool in TOOLS[name]
    assert found.prompt or found.settings
    sane(found)


@pytest.mark.parametrize(("name", "make"), every(HOSTILE))
def test_a_hostile_file_gives_its_format_nothing_that_no_study_can_hold(name: str, make: Make) -> None:
    found = read(make())
    assert found is not None
    assert found.tool in TOOLS[name]
    assert "\x1b" not in found.prompt + str(dict(found.settings))
    assert all(abs(value) < 2**63 for value in found.settings.values() if isinstance(value, int | float))
    assert found.unread or found.remarks
    sane(found)


def of_table(raw: bytes) -> Understood | None:
    found = csvs.read(raw, "table.csv") or {}
    return found.get("a.png")


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_the_prompt_and_the_seed_of_its_file(name: str) -> None:
    found = of_table(TABLES[name])
    assert found is not None
    assert found.prompt.startswith(("an owl", "une chouette à"))
    assert found.seed == "1"


@pytest.mark.parametrize("name", HOSTILE_TABLES)
def test_a_hostile_table_is_read_in_part_or_one_sentence_says_why_not(name: str) -> None:
    try:
        found, why = of_table(HOSTILE_TABLES[name]), "table.csv"
    except UsageError as error:
        found, why = None, str(error)
    sane(found)
    assert "table.csv" in why


def test_a_record_of_teststrip_keeps_what_was_asked_unchanged() -> None:
    asked = {"guidance_scale": 7.5, "steps": 20, "tiled": True, "style": " two  spaces ", "scheduler.sigma": 0.0}
    found = read(stamped(files.png(), "png", **asked))
    assert found is not None
    assert found.settings == asked
    assert {name: type(value) for name, value in found.settings.items()} == {k: type(v) for k, v in asked.items()}
    assert found.unread == found.remarks == ()
    assert unstamp(stamped(files.png(), "png", **asked)) is not None
