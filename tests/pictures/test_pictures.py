"""Pictures as bytes: what goes in comes out, and strangers' bytes do no harm."""

import io
import json
import math
import struct
import zlib
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from teststrip import pictures
from teststrip.errors import PictureError
from teststrip.pictures import pixels
from teststrip.pictures.stamps import fingerprint_of, from_json, parameters, shot_of, to_json
from teststrip.records import EngineRef, Fingerprint, Render, Shot


def noise(height=24, width=40, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(form, array=None, **words):
    file = io.BytesIO()
    Image.fromarray(noise() if array is None else array).save(file, form, **words)
    return file.getvalue()


FILES = {
    "png": pictures.encode_png(noise()),
    "jpeg": encoded("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", quality=80),
    "jpeg progressive": encoded("JPEG", progressive=True),
    "jpeg with fill": encoded("JPEG").replace(b"\xff\xdb", b"\xff\xff\xff\xdb"),
    "webp": encoded("WEBP", quality=80),
    "webp lossless": encoded("WEBP", lossless=True),
    "webp with alpha": encoded("WEBP", np.dstack([noise(), noise()[..., 0]]), lossless=True),
    "webp extended": encoded("WEBP", quality=80, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
}


def render(data, form="png", **settings):
    settings = {"prompt": "an owl", "seed": 1, "num_inference_steps": 20, **settings}
    shot = Shot(EngineRef("pattern", {"dtype": "float32"}), settings)
    fingerprint = Fingerprint({"weights": "sha256:1", "versions": {"torch": "2"}})
    return Render(shot, data, form, 40, 24, 0.25, fingerprint, {"denoiser_calls": 20, "device": "cpu"})


# --- Pixels --------------------------------------------------------------------------------------------------


def test_a_png_gives_its_pixels_back():
    assert np.array_equal(pictures.decode(pictures.encode_png(noise())), noise())


def test_a_png_is_no_larger_than_pillows_default_on_a_photograph_like_picture():
    ramp = np.add.outer(np.arange(256), np.arange(256))[..., None] / 2 + np.array([0, 10, 20])
    photo = np.clip(ramp + np.random.default_rng(0).normal(0, 4, (256, 256, 3)), 0, 255).astype(np.uint8)
    assert len(pictures.encode_png(photo)) <= len(encoded("PNG", photo)) * 1.02


@pytest.mark.parametrize("array", [noise()[..., 0], noise().astype(float), noise()[:0], np.dstack([noise(), noise()])])
def test_only_an_rgb_array_of_bytes_is_a_picture(array):
    with pytest.raises(ValueError, match=r"a picture is uint8 \[H, W, 3\]"):
        pictures.encode_png(array)


def test_a_pixel_digest_is_the_same_for_the_same_pixels_in_another_file():
    plain = pictures.encode_png(noise())
    same = [encoded("PNG"), encoded("WEBP", lossless=True), pictures.stamp(render(plain))]
    assert {pictures.pixel_digest(data) for data in same} == {pictures.pixel_digest(plain)}


def test_a_pixel_digest_tells_one_level_and_the_shape():
    changed = noise()
    changed[3, 4, 1] ^= 1
    arrays = [noise(), changed, noise().reshape(40, 24, 3)]
    assert len({pictures.pixel_digest(pictures.encode_png(array)) for array in arrays}) == 3


def test_transparency_lies_on_white():
    clear = np.zeros((4, 4, 4), np.uint8)
    assert (pictures.decode(encoded("PNG", clear)) == 255).all()


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA", "I;16", "CMYK"])
def test_every_colour_mode_decodes_to_rgb(mode):
    file = io.BytesIO()
    form = "JPEG" if mode == "CMYK" else "PNG"
    Image.new(mode, (5, 3)).save(file, form)
    assert pictures.decode(file.getvalue()).shape == (3, 5, 3)


def test_a_thumbnail_fits_and_is_never_enlarged():
    data = pictures.encode_png(noise(100, 200))
    assert Image.open(io.BytesIO(pictures.thumbnail(data, 50))).size == (50, 25)
    assert Image.open(io.BytesIO(pictures.thumbnail(data, 500))).size == (200, 100)


def test_a_thumbnail_of_an_array_is_that_of_its_file():
    pixels = noise(300, 600)
    assert pictures.small(pixels) == pictures.thumbnail(pictures.encode_png(pixels), 256)
    assert pictures.small(pixels[:256, :256]) == b""


@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_thumbnail_says_nothing_of_what_its_picture_said(source, form):
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = "canary"
    Image.fromarray(noise(20, 20)).save(file, source, exif=exif, xmp=b"canary", comment=b"canary")
    assert b"canary" in file.getvalue()
    assert b"canary" not in pictures.thumbnail(file.getvalue(), 10, form)


@pytest.mark.parametrize("colour", [0, 127, 255])
def test_one_colour_is_blank_even_after_jpeg(colour):
    flat = np.full((32, 32, 3), colour, np.uint8)
    assert pictures.is_blank(flat)
    assert pictures.is_blank(pictures.decode(encoded("JPEG", flat)))


def test_a_picture_with_a_faint_mark_is_not_blank():
    flat = np.full((32, 32, 3), 100, np.uint8)
    flat[5, 5, 2] = 103
    assert not pictures.is_blank(flat)


# --- Strangers' bytes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_a_picture_cut_off_anywhere_is_refused(name):
    data = FILES[name]
    for length in [*range(0, len(data) - 1, 37), len(data) - 2]:
        with pytest.raises(PictureError):
            pictures.decode(data[:length])
        with pytest.raises(PictureError):
            pictures.sound(data[:length])


def test_a_png_with_any_bit_flipped_is_refused():
    data = FILES["png"]
    for place in range(0, len(data), 11):
        flipped = bytearray(data)
        flipped[place] ^= 0x10
        with pytest.raises(PictureError):
            pictures.sound(bytes(flipped))


@pytest.mark.parametrize("name", FILES)
@given(some.data())
def test_strange_bytes_raise_nothing_but_a_picture_error(name, data):
    strange = bytearray(pictures.stamp(render(FILES[name], name.split()[0])))
    for _ in range(data.draw(some.integers(1, 4))):
        strange[data.draw(some.integers(0, len(strange) - 1))] = data.draw(some.integers(0, 255))
    pictures.unstamp(bytes(strange))
    for touch in (pictures.decode, pictures.sound):
        with suppress(PictureError):
            touch(bytes(strange))


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG", b"GIF89a" + bytes(50), b"<svg></svg>", b"RIFF\4\0\0\0WEBP", bytes(99)]
)
def test_other_formats_are_refused(data):
    with pytest.raises(PictureError):
        pictures.decode(data)
    assert pictures.unstamp(data) is None


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def bomb(width, height, extra=b""):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + head + extra + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(8001, 8000), (60000, 60000), (2**31 - 1, 2**31 - 1)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(width, height):
    with pytest.raises(PictureError, match=r"more than|decompression bomb"):
        pictures.decode(bomb(width, height))


def test_a_text_that_unpacks_to_a_gigabyte_is_refused():
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**26), 9))
    with pytest.raises(PictureError, match="cannot be decoded"):
        pictures.decode(bomb(8, 8, text))


def test_a_file_that_is_too_large_is_refused_before_it_is_parsed():
    with pytest.raises(PictureError, match="64 MB is more than the 64 MB a picture may have"):
        pictures.decode(FILES["png"] + bytes(pixels.MAX_BYTES))


def test_a_record_that_is_nested_without_end_is_no_record():
    deep = chunk(b"tEXt", b"teststrip\0" + b"[" * 100_000)
    assert pictures.unstamp(bomb(8, 8, deep)) is None


# --- The record inside ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_stamping_touches_no_pixel_and_pillow_still_reads_the_file(name):
    data = FILES[name]
    made = render(data, name.split()[0])
    stamped = pictures.stamp(made)
    assert np.array_equal(pictures.decode(stamped), pictures.decode(data))
    with Image.open(io.BytesIO(stamped)) as ours, Image.open(io.BytesIO(data)) as theirs:
        assert (ours.size, ours.mode, ours.tobytes()) == (theirs.size, theirs.mode, theirs.tobytes())
        assert ours.info.get("exif") == theirs.info.get("exif")


@pytest.mark.parametrize("name", FILES)
def test_the_record_says_what_was_asked_and_what_answered(name):
    made = render(FILES[name], name.split()[0])
    record = pictures.unstamp(pictures.stamp(made))
    assert shot_of(record) == made.shot
    assert fingerprint_of(record) == made.fingerprint
    assert (record["shot"], record["fingerprint"]) == (made.shot.id, made.fingerprint.id)
    assert (record["seconds"], record["facts"]) == (0.25, {"denoiser_calls": 20, "device": "cpu"})
    assert pictures.unstamp(FILES[name]) is None


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("length", [1, 200_000])
def test_stamping_again_replaces_the_record_and_nothing_grows(name, length):
    form = name.split()[0]
    old = pictures.stamp(render(FILES[name], form, prompt="old" * length))
    made = render(old, form, prompt="new")
    again = pictures.stamp(made)
    assert pictures.unstamp(again)["settings"]["prompt"] == "new"
    assert again == pictures.stamp(replace(made, data=FILES[name]))


@pytest.mark.parametrize("name", FILES)
@given(some.text(some.characters(codec=None), max_size=200))
def test_any_prompt_survives_in_the_record(name, prompt):
    form = name.split()[0]
    record = pictures.unstamp(pictures.stamp(render(FILES[name], form, prompt=prompt, negative_prompt=prompt)))
    assert record["settings"]["prompt"] == record["settings"]["negative_prompt"] == prompt
    assert shot_of(record).id == record["shot"]


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("letter", ["a", "ا", "\U0001f989", "<", "\0", "\ud800"])
def test_a_prompt_of_megabytes_survives_and_the_picture_still_opens(name, letter):
    prompt = letter * (10_000_000 if letter == "a" else 1_000_000 if letter.isprintable() else 100_000)
    made = render(FILES[name], name.split()[0], prompt=prompt)
    stamped = pictures.stamp(made)
    assert pictures.unstamp(stamped)["settings"]["prompt"] == prompt
    assert np.array_equal(pictures.decode(stamped), pictures.decode(FILES[name]))


@given(
    some.recursive(
        some.none()
        | some.integers()
        | some.floats(allow_nan=False, allow_infinity=False)
        | some.text(some.characters(codec=None)),
        lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    )
)
def test_json_loses_nothing_and_is_plain_ascii(value):
    text = to_json(value)
    assert text.isascii()
    if "code_points" not in text:
        json.loads(text)
    assert from_json(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "9" * 301,
        "9" * 5000,
        "[" * 65 + "]" * 65,
        '{"a":' * 900 + "1" + "}" * 900,
    ],
)
def test_json_that_nothing_of_ours_wrote_is_refused_by_one_error(text):
    with pytest.raises(ValueError):
        from_json(text)
    with pytest.raises(ValueError):
        from_json(f'{{"fact": {text}}}')


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_an_engine_says_that_is_no_number_is_kept_as_its_word_and_its_seconds_must_be_one(number):
    made = render(FILES["png"], "png")
    stamped = pictures.stamp(replace(made, facts={"loss": number}))
    assert pictures.unstamp(stamped)["facts"] == {"loss": json.dumps(number)}
    with pytest.raises(PictureError, match="'pattern' says of it is not JSON"):
        pictures.stamp(replace(made, seconds=number))


@pytest.mark.parametrize("text", ["[1", "{", "nothing", '{"code_points": [1114112]}' + "x", "[" * 100_000])
def test_text_that_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError):
        from_json(text)


@pytest.mark.parametrize(
    "record",
    [{}, {"engine": 1, "options": {}, "settings": {}}, {"engine": "x", "options": {}, "settings": {"a": [1]}}],
)
def test_a_record_without_a_shot_is_a_value_error(record):
    with pytest.raises(ValueError):
        shot_of(record)


# --- What other tools read -----------------------------------------------------------------------------------


def test_parameters_read_as_a1111_writes_them():
    made = render(
        FILES["png"],
        prompt="an owl,\nat night",
        negative_prompt="blurry",
        scheduler="EulerAncestralDiscreteScheduler",
        guidance_scale=7.0,
        seed=123,
        width=None,
        height=None,
        model="emoji",
        strength="a, b",
    )
    assert parameters(made) == (
        "an owl,\nat night\n"
        "Negative prompt: blurry\n"
        'Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 123, Model: emoji, Size: 40x24, strength: "a, b"'
    )


@pytest.mark.parametrize(("prompt", "chunk_name"), [("a café", b"tEXt"), ("an owl \U0001f989", b"iTXt")])
def test_pillow_and_so_other_tools_read_the_parameters(prompt, chunk_name):
    stamped = pictures.stamp(render(FILES["png"], prompt=prompt))
    with Image.open(io.BytesIO(stamped)) as picture:
        assert picture.text["parameters"].startswith(prompt + "\nSteps: 20")
        assert json.loads(picture.text["teststrip"])["settings"]["prompt"] == prompt
    assert chunk_name + b"parameters\0" in stamped


def test_parameters_of_another_tool_are_kept():
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", "theirs")
    stamped = pictures.stamp(render(encoded("PNG", pnginfo=info)))
    with Image.open(io.BytesIO(stamped)) as picture:
        assert picture.text["parameters"] == "theirs"
        assert "teststrip" in picture.text


@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_the_xmp_packet_is_wellformed_and_found_by_pillow(name):
    from xml.etree import ElementTree as ET

    stamped = pictures.stamp(render(FILES[name], name, prompt='<b> & "owl" \U0001f989'))
    with Image.open(io.BytesIO(stamped)) as picture:
        packet = picture.info["xmp"]
    text = next(ET.fromstring(packet).iter("{urn:teststrip:record#}record")).text
    assert json.loads(text)["settings"]["prompt"] == '<b> & "owl" \U0001f989'


def test_an_engine_that_misnames_its_format_is_told():
    with pytest.raises(PictureError, match="'pattern' said 'jpeg' and sent 'png'"):
        pictures.stamp(render(FILES["png"], "jpeg"))
