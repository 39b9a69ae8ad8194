"""Files written by each format's own rules say what their tools meant, in every place where the format may stand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
from tests.imports import files

from teststrip.imports import Understood, read
from teststrip.pictures import sound
from teststrip.pictures.texts import texts, without_author

JOB = "8323d5b0-1888-4fd7-a239-9d4bb8222ce3"
INVOKE = {
    "generation_mode": "txt2img",
    "positive_prompt": "an owl",
    "negative_prompt": "blurry",
    "width": 512,
    "height": 768,
    "seed": 4294967296,
    "cfg_scale": 7.5,
    "steps": 30,
    "scheduler": "dpmpp_2m_k",
    "clip_skip": 1,
    "app_version": "5.6.0",
}
KARRAS = {"scheduler": "DPMSolverMultistepScheduler", "scheduler.use_karras_sigmas": True}
COMMON = {"num_inference_steps": 30, "guidance_scale": 7.5, "width": 512, "height": 768, "negative_prompt": "blurry"}
FOOOCUS = {
    "prompt": "an owl",
    "negative_prompt": "blurry",
    "base_model": "jugger",
    "full_prompt": ["an owl, cinematic"],
    "guidance_scale": 7.5,
    "steps": 30,
    "resolution": "(512, 768)",
    "sampler": "dpmpp_2m",
    "scheduler": "karras",
    "seed": "5",
    "version": "Fooocus v2.5.5",
}
SWARM = {
    "sui_image_params": {
        "prompt": "an owl",
        "negativeprompt": "blurry",
        "model": "jugger",
        "seed": 5,
        "steps": 30,
        "cfgscale": 7.5,
        "width": 512,
        "height": 768,
        "sampler": "dpmpp_2m",
        "scheduler": "karras",
    }
}
DRAW = {
    "c": "an owl",
    "uc": "blurry",
    "model": "jugger",
    "sampler": "DPM++ 2M Karras",
    "scale": 7.5,
    "seed": 5,
    "seed_mode": "Scale Alike",
    "size": "512x768",
    "steps": 30,
    "strength": 1.0,
    "v2": {"steps": 30},
}
EASY = {
    "prompt": "an owl",
    "negative_prompt": "blurry",
    "seed": "5",
    "use_stable_diffusion_model": "/home/anna/models/jugger.safetensors",
    "width": "512",
    "height": "768",
    "num_inference_steps": "30",
    "guidance_scale": "7.5",
    "sampler_name": "dpmpp_2m",
}
NOVEL = {
    "Software": "NovelAI",
    "Source": "NovelAI Diffusion V4 37442FCA",
    "Description": "an owl",
    "Comment": json.dumps(
        {
            "prompt": "an owl",
            "steps": 30,
            "height": 768,
            "width": 512,
            "scale": 7.5,
            "seed": 5,
            "sampler": "k_dpmpp_2m",
            "noise_schedule": "karras",
            "v4_prompt": {"caption": {"base_caption": "an owl", "char_captions": []}},
            "v4_negative_prompt": {"caption": {"base_caption": "blurry", "char_captions": []}},
        }
    ),
}


def understood(data: bytes, name: str = "") -> Understood:
    assert sound(data)
    found = read(data, name)
    assert found is not None
    return found


def json_places(said: Mapping[str, object], keyword: str) -> dict[str, Callable[[], bytes]]:
    """Files in which a table stands under a keyword, or as EXIF's UserComment."""
    text = json.dumps(said)
    return {
        "tEXt": lambda: files.png({keyword: text}),
        "after the pixels": lambda: files.png_with(files.text(keyword, text), after_pixels=True),
        "zTXt": lambda: files.png_with(files.packed(keyword, text.encode())),
        "iTXt": lambda: files.png_with(files.international(keyword, text)),
        "packed iTXt": lambda: files.png_with(files.international(keyword, text, compressed=True)),
    }


def photos(said: Mapping[str, object]) -> dict[str, Callable[[], bytes]]:
    text = json.dumps(said)
    return {
        f"{form} {code}": lambda form=form, code=code, head=head: files.photo(
            files.comment(text, code, head), form=form
        )
        for form in ("JPEG", "WEBP")
        for code, head in (("utf-16-be", b"UNICODE\0"), ("utf-8", b"ASCII\0\0\0"))
    }


def draw_things() -> dict[str, Callable[[], bytes]]:
    escaped = json.dumps(DRAW).replace('"', "&quot;")
    element = f"<exif:UserComment><rdf:Alt><rdf:li>{escaped}</rdf:li></rdf:Alt></exif:UserComment>"
    packet = files.xmp(element)
    attribute = packet.replace(b'rdf:about=""', f'rdf:about="" exif:UserComment="{escaped}"'.encode()).replace(
        element.encode(), b""
    )
    return {
        "JPEG": lambda: files.photo(xmp=packet),
        "WebP": lambda: files.photo(form="WEBP", xmp=packet),
        "PNG": lambda: files.png_with(files.international("XML:com.adobe.xmp", packet.decode())),
        "PNG, at the end": lambda: files.png_with(
            files.international("XML:com.adobe.xmp", packet.decode()), after_pixels=True
        ),
        "attribute": lambda: files.photo(xmp=attribute),
    }


def novel_ai() -> dict[str, Callable[[], bytes]]:
    return {
        "texts": lambda: files.png(NOVEL),
        "at the end": lambda: files.png_with(*(files.text(*one) for one in NOVEL.items()), after_pixels=True),
        "packed": lambda: files.png_with(*(files.packed(key, text.encode()) for key, text in NOVEL.items())),
        "stealth": lambda: files.stealthy(NOVEL),
        "stealth, plain": lambda: files.stealthy(NOVEL, compressed=False),
    }


def easy() -> dict[str, Callable[[], bytes]]:
    spoken = {
        "Prompt": "an owl",
        "Negative Prompt": "blurry",
        "Seed": "5",
        "Stable Diffusion model": "C:\\models\\jugger.safetensors",
        "Width": "512",
        "Height": "768",
        "Steps": "30",
        "Num Inference Steps": "30",
        "Guidance Scale": "7.5",
        "Sampler": "dpmpp_2m",
    }
    spoken.pop("Steps")
    return {
        "keys": lambda: files.png(EASY),
        "spoken keys": lambda: files.png(spoken),
        "at the end": lambda: files.png_with(*(files.text(*one) for one in EASY.items()), after_pixels=True),
        **photos(EASY),
    }


INVOKES: dict[str, dict[str, object]] = {
    "3": {"model": {"model_name": "jugger", "base_model": "sd-1"}},
    "4": {"model": {"key": "k", "hash": "h", "name": "jugger", "base": "sd-1", "type": "main"}},
}
PLACES: dict[str, dict[str, Callable[[], bytes]]] = {
    "InvokeAI": {
        f"{version} {place}": make
        for version, more in INVOKES.items()
        for place, make in json_places(INVOKE | more | {"seed": 5}, "invokeai_metadata").items()
    },
    "Fooocus": {
        **json_places(FOOOCUS, "parameters"),
        **photos(FOOOCUS),
    },
    "SwarmUI": {**json_places(SWARM, "parameters"), **photos(SWARM)},
    "Draw Things": draw_things(),
    "Easy Diffusion": easy(),
    "NovelAI": novel_ai(),
}


@pytest.mark.parametrize(("tool", "place"), [(tool, place) for tool, made in PLACES.items() for place in made])
def test_a_table_says_the_same_wherever_it_stands(tool: str, place: str) -> None:
    found = understood(PLACES[tool][place]())
    assert (found.tool, found.prompt, found.seed) == (tool, "an owl", "5")
    assert {name: found.settings.get(name) for name in COMMON} == COMMON
    assert found.settings["scheduler"] == "DPMSolverMultistepScheduler"
    if tool != "Easy Diffusion":
        assert found.settings["scheduler.use_karras_sigmas"] is True
    if tool != "NovelAI":
        assert str(found.settings["model"]).startswith("jugger")
    assert found.remarks == ()
    assert "anna" not in str(found)


def test_an_older_invokeai_says_its_prompt_as_a_list() -> None:
    image = {
        "prompt": [{"prompt": "an owl [blurry]", "weight": 1.0}],
        "steps": 30,
        "cfg_scale": 7.5,
        "seed": 5,
        "width": 512,
        "height": 768,
        "sampler": "k_euler_a",
        "type": "txt2img",
    }
    found = understood(files.png({"sd-metadata": json.dumps({"model_weights": "sd-1.4", "image": image})}))
    assert (found.prompt, found.seed, found.settings["model"]) == ("an owl", "5", "sd-1.4")
    assert found.settings["negative_prompt"] == "blurry"
    assert found.settings["scheduler"] == "EulerAncestralDiscreteScheduler"


def test_a_sum_of_weighted_prompts_is_no_prompt() -> None:
    image = {"prompt": [{"prompt": "an owl", "weight": 1.0}, {"prompt": "a cat", "weight": 0.5}], "steps": 3}
    found = understood(files.png({"sd-metadata": json.dumps({"image": image})}))
    assert found.prompt == ""
    assert [one.key for one in found.unread] == ["prompt"]


def test_fooocus_writes_its_scheme_into_the_maker_note_of_a_photo() -> None:
    odd = {"prompt": "an owl", "steps": 30, "seed": "5"}
    data = files.photo({0x9286: json.dumps(odd).encode(), 0x927C: b"fooocus"})
    assert understood(data).tool == "Fooocus"


def test_older_swarmui_has_its_table_in_a_field_of_exif() -> None:
    found = understood(files.photo({0x0110: json.dumps(SWARM).encode()}))
    assert (found.tool, found.prompt) == ("SwarmUI", "an owl")


def test_characters_of_novelai_are_lines_of_the_prompt() -> None:
    comment = json.loads(NOVEL["Comment"])
    comment["v4_prompt"]["caption"]["char_captions"] = [{"char_caption": "girl, red hair"}, {"char_caption": "boy"}]
    found = understood(files.png(NOVEL | {"Comment": json.dumps(comment)}))
    assert found.prompt == "an owl\ngirl, red hair\nboy"


@pytest.mark.parametrize(
    ("name", "index"),
    [
        (f"anna_an_owl_at_night_{JOB}_2.png", 2),
        (f"anna_{JOB}_0.png", 0),
        (f"u123_x_{JOB}_3 (1).png", 3),
        (f"{JOB}.png", None),
        ("owl.png", None),
    ],
)
def test_a_midjourney_file_says_its_job_and_its_name_the_place_in_it(name: str, index: int | None) -> None:
    found = understood(files.png({"Description": f"an owl --v 7 Job ID: {JOB}", "Author": "anna"}), name)
    assert (found.job, found.index) == (JOB, index)
    assert "anna" not in str(found)


def test_a_web_file_of_midjourney_has_a_number_and_no_prompt() -> None:
    packet = files.xmp(
        f"<iptcExt:DigImageGUID>{JOB}</iptcExt:DigImageGUID><iptcExt:DigitalSourceType>http://cv.iptc.org/newscodes/"
        "digitalsourcetype/trainedAlgorithmicMedia</iptcExt:DigitalSourceType>"
    )
    found = understood(files.photo(xmp=packet))
    assert (found.tool, found.prompt, found.job) == ("Midjourney", "", JOB)
    assert found.unread[0].key == "prompt"


def test_a_midjourney_photo_has_its_description_in_xmp() -> None:
    said = f"an owl --chaos 5 --v 7 Job ID: {JOB}"
    packet = files.xmp(f"<dc:description><rdf:Alt><rdf:li>{said}</rdf:li></rdf:Alt></dc:description>")
    assert understood(files.photo(xmp=packet)).settings == {"chaos": 5, "version": "7"}


@pytest.mark.parametrize(
    ("flags", "settings", "unread"),
    [
        ("--s 1001", {}, ["--s"]),
        ("--p abc", {}, ["--p"]),
        ("--p", {"profile": "on"}, []),
        ("--tile --hd", {"tile": True, "hd": True}, []),
        ("--new 7", {}, ["--new"]),
        ("--fast", {}, []),
        ("--style raw --q .5", {"style": "raw", "quality": 0.5}, []),
        ("--ar 3x4", {}, ["--ar"]),
    ],
)
def test_a_flag_is_understood_or_kept_with_its_reason(
    flags: str, settings: dict[str, object], unread: list[str]
) -> None:
    found = understood(files.png({"Description": f"an owl {flags} Job ID: {JOB}"}))
    assert found.prompt == "an owl"
    assert found.settings == settings
    assert [one.key for one in found.unread] == unread


def test_a_name_is_taken_out_of_a_file_wherever_it_stands_and_nothing_else_is() -> None:
    said = {"Description": f"an owl --v 7 Job ID: {JOB}", "Author": "anna_k", "Copyright": "by anna_k"}
    cleaned = without_author(files.png(said))
    assert b"anna_k" not in cleaned
    assert texts(cleaned).by_keyword == {"Description": (said["Description"],), "Copyright": ("by       ",)}
    assert sound(cleaned) == "png"
    packed = files.png_with(files.packed("Comment", b"of anna_k"), files.text("Author", "anna_k"))
    assert texts(without_author(packed)).by_keyword == {}
    for untouched in (files.png({"Description": "an owl"}), files.photo(), files.photo(form="WEBP")):
        assert without_author(untouched) == untouched


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
@pytest.mark.parametrize("place", ["artist", "creator"])
def test_a_name_in_a_photo_becomes_spaces_and_all_other_bytes_stay(form: str, place: str) -> None:
    description = "<dc:description>an owl --v 7 by anna_k</dc:description>"
    creator = "<dc:creator><rdf:Seq><rdf:li>anna_k</rdf:li></rdf:Seq></dc:creator>"
    if place == "artist":
        data = files.photo({0x013B: b"anna_k\0", 0x9286: b"ASCII\0\0\0of anna_k"}, form=form)
    else:
        data = files.photo(form=form, xmp=files.xmp(description + creator))
    cleaned = without_author(data)
    assert b"anna_k" in data
    assert cleaned == data.replace(b"anna_k", b"      ")
    assert sound(cleaned)


def test_pictures_without_words_say_nothing() -> None:
    for data in (files.png(), files.photo(), files.photo(form="WEBP"), files.png({"Comment": "made with GIMP"})):
        assert read(data) is None


def test_what_teststrip_wrote_itself_wins() -> None:
    from teststrip.pictures import stamp
    from teststrip.records import EngineRef, Fingerprint, Render, Shot

    asked = {"prompt": "an owl", "seed": 5, "guidance_scale": 7.5, "scheduler": "DDIMScheduler"}
    shot = Shot(EngineRef("pattern"), asked)
    for data in (files.png(), files.photo(), files.photo(form="WEBP")):
        render = Render(shot, data, sound(data), 16, 16, 0.0, Fingerprint({"engine": "pattern"}))
        found = understood(stamp(render))
        assert (found.tool, found.prompt, found.seed) == ("Teststrip", "an owl", "5")
        assert found.settings == {"guidance_scale": 7.5, "scheduler": "DDIMScheduler"}
