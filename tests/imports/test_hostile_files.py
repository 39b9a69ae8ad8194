"""No file of a stranger makes the reader fail, wait or write, whatever its bytes are."""

from __future__ import annotations

import io
import json
import random
import struct
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.imports import files
from tests.imports.graphs import PLAIN
from tests.imports.strings import CASES

from teststrip.characters import HOSTILE
from teststrip.errors import PictureError, UsageError
from teststrip.imports import Understood, csvs, read
from teststrip.imports.infotext import taken_apart
from teststrip.imports.reading import understand
from teststrip.imports.scanner import pairs
from teststrip.imports.understood import Said
from teststrip.pictures.texts import MOST_BYTES, Texts, texts

KEYWORDS = sorted(
    {keyword for case in CASES.values() for keyword in case.texts}
    | {"prompt", "workflow", "invokeai_metadata", "sd-metadata", "exif:UserComment", "xmp", "exif:Make", "stealth"}
)
FRAGMENTS = sorted(
    {text[at : at + 40] for case in CASES.values() for text in case.texts.values() for at in (0, 60, 200, 300)}
)
MARKS = [
    *('"', "\\", "{", "}", "[", "]", ",", ":", "\n", "\0", "\x1b[31m", "\ud800", "\u202e"),
    *("NaN", "1e999", "9" * 400),
    *("Steps: 20, ", "Negative prompt:", "--no ", "Seed: 99999999999999999999", "<dc:description>", "../../etc/passwd"),
]
WORDS = st.lists(st.sampled_from(FRAGMENTS + MARKS) | st.text(max_size=8), max_size=12).map("".join)


def sane(found: Understood | None) -> None:
    """What holds of any answer."""
    if found is None:
        return
    json.dumps(dict(found.settings), allow_nan=False)
    for value in (found.prompt, *found.settings.values()):
        assert not isinstance(value, str) or not any(mark[0] < "\xa0" for mark in HOSTILE.finditer(value))
    assert len(found.prompt) <= 20_000
    assert all(len(str(value)) <= 20_000 for value in found.settings.values())
    assert all(len(one.value) <= 300 and len(one.key) <= 300 for one in found.unread)
    assert found.seed == "" or str(int(found.seed)) == found.seed


SAID = st.dictionaries(st.sampled_from(KEYWORDS), WORDS, max_size=3)
PLAINS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
VALUES = st.recursive(PLAINS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3))
NAMES = st.sampled_from(["prompt", "negative_prompt", "seed", "steps", "scheduler.sigma", "engine", "tool"]) | WORDS


@given(SAID, WORDS)
@settings(max_examples=500)
def test_any_texts_are_understood_or_not_and_never_fail(said: dict[str, str], name: str) -> None:
    found = Texts("png", {keyword: (text,) for keyword, text in said.items()})
    sane(understand(Said(found, {}, name)))


@given(st.dictionaries(NAMES, VALUES, max_size=4), SAID)
@settings(max_examples=100)
def test_any_record_of_ours_is_understood_or_not_and_never_fails(
    record: dict[str, object], said: dict[str, str]
) -> None:
    found = Texts("png", {keyword: (text,) for keyword, text in said.items()})
    sane(understand(Said(found, {"settings": record}, "")))


@given(st.binary(max_size=300) | WORDS.map(lambda text: f"file,{text}\na.png,{text}\n".encode("utf-8", "replace")))
@settings(max_examples=200)
def test_any_table_is_read_or_refused(raw: bytes) -> None:
    try:
        rows = csvs.read(raw, "table.csv") or {}
    except UsageError:
        return
    for found in rows.values():
        sane(found)


def read_a_hundred(start: int) -> None:
    """A hundred texts from one number, because what Hypothesis does for an example takes longer than reading one."""
    chance = random.Random(start)
    for _ in range(100):
        words = "".join(chance.choices(FRAGMENTS + MARKS, k=chance.randint(0, 12)))
        said = Texts("png", {chance.choice(KEYWORDS): (words,), chance.choice(KEYWORDS): (words[::-1],)})
        own = {chance.choice(("prompt", "seed", "steps", words)): chance.choice((words, [words], 1e300, 9**99))}
        sane(understand(Said(said, {"settings": own} if chance.random() < 0.1 else {}, words)))


@given(st.integers(0, 2**64))
@settings(max_examples=100)
def test_ten_thousand_texts_never_fail(start: int) -> None:
    read_a_hundred(start)


@pytest.mark.slow
@given(st.integers(0, 2**64))
@settings(max_examples=10_000, derandomize=False)
def test_a_million_texts_never_fail(start: int) -> None:
    read_a_hundred(start)


def valid_files() -> list[bytes]:
    return [
        files.png(CASES["1 hashes are one value"].texts),
        files.png({"prompt": json.dumps(PLAIN)}),
        files.photo(files.comment("an owl\nSteps: 20, Seed: 1, Size: 8x8")),
        files.photo({0x010F: b"prompt:{}", 0x9286: b"UNICODE\0a"}, form="WEBP"),
        files.photo(xmp=files.xmp("<dc:description>an owl --v 7</dc:description>")),
    ]


VALID = valid_files()


@given(st.sampled_from(range(len(VALID))), st.integers(0, 10**6), st.integers(0, 255), st.integers(0, 10**6))
@settings(max_examples=1_000)
@example(0, 40, 0, 0)
def test_flipped_and_cut_files_are_refused_or_read(which: int, place: int, value: int, cut: int) -> None:
    data = bytearray(VALID[which])
    data[place % len(data)] = value
    kept = bytes(data[: max(1, cut % (2 * len(data)))])
    try:
        sane(read(kept))
    except PictureError:
        return


@given(st.binary(max_size=400), st.sampled_from("<>"))
@settings(max_examples=1_000)
def test_any_block_of_exif_is_read_or_left(body: bytes, order: str) -> None:
    head = b"Exif\0\0" + (b"II*\0" if order == "<" else b"MM\0*")
    segment = head + body
    data = files.photo()
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(segment)) + segment + data[2:]
    sane(read(data))


def test_a_text_that_inflates_without_end_is_refused_and_said() -> None:
    bomb = files.packed("parameters", b" " * (MOST_BYTES * 20))
    assert len(bomb) < 200_000
    found = texts(files.png_with(bomb, files.text("Comment", "still here")))
    assert found.refused == ("parameters",)
    assert found.first("Comment") == "still here"


def test_more_texts_than_a_file_may_have_are_not_looked_at() -> None:
    found = texts(files.png_with(*(files.text(f"k{n}", "x") for n in range(1000))))
    assert len(found.by_keyword) == 200


@pytest.mark.parametrize("size", [10**15, 8 * MOST_BYTES + 1, 100])
def test_a_hidden_text_that_lies_about_its_length_is_no_text(size: int) -> None:
    bits = np.unpackbits(np.frombuffer(b"stealth_pngcomp" + struct.pack(">I", size % 2**32) + b"junk", np.uint8))
    alpha = np.full(400, 254, np.uint8)
    alpha[: len(bits)] |= bits
    file = io.BytesIO()
    Image.fromarray(np.dstack([files.pixels(0, (20, 20)), alpha.reshape(20, 20).T]), "RGBA").save(file, "PNG")
    assert read(file.getvalue()) is None


@pytest.mark.parametrize("text", ["an \x1b[31mowl", "an\0 owl", "a\x07b", "an owl\x9b1m"])
def test_a_prompt_that_could_command_a_terminal_is_not_understood(text: str) -> None:
    found = understand(Said(Texts("png", {"parameters": (f"{text}\nSteps: 20, Seed: 1, Size: 8x8",)})))
    assert found is not None
    assert found.prompt == ""
    assert found.unread[0].why.startswith("it holds the control character")


@pytest.mark.parametrize("depth", [50, 500, 100_000])
def test_deep_tables_are_no_tables(depth: int) -> None:
    deep = '{"a":' * depth + "1" + "}" * depth
    for keyword in ("prompt", "workflow", "parameters", "invokeai_metadata", "Comment"):
        sane(understand(Said(Texts("png", {keyword: (deep,)}))))


def test_broken_packed_texts_are_said() -> None:
    broken = files.chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"Steps: 20")[:-6] + b"??????")
    assert "parameters" in {*texts(files.png_with(broken)).refused, *texts(files.png_with(broken)).by_keyword}


def counted(work: Callable[[], object]) -> int:
    """The lines of Python that a call executes."""
    lines = 0

    def trace(frame: object, event: str, argument: object) -> object:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        work()
    finally:
        sys.settrace(before)
    return lines


UNITS = [
    *("a: 1, ", 'a: "x", ', 'a: "', "a: {", "a: [{", "}", '"', "\\", ",", ":", "\n", "Steps: 1\n", "{}", "x, "),
    *('a: {"b": [1, 2]}, ', "Negative prompt: x\n", "--no a ", 'a: {"', "<dc:description>", "Steps: 2, "),
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("keyword", ["parameters", "Description", "xmp"])
def test_twice_the_text_costs_at_most_three_times_the_steps(unit: str, keyword: str) -> None:
    def steps(times: int) -> int:
        said = Said(Texts("png", {keyword: (unit * times,)}))
        return counted(lambda: understand(said))

    assert steps(800) <= 3 * steps(400) + 100


CHAIN = {str(n): {"class_type": "KSampler", "inputs": {"m": [str(n + 1), 0]}} for n in range(4000)}
LONG = {
    "codes": ("Description", "an owl --p " + "m1234567 " * 40 + "!"),
    "letters": ("Description", "an owl --" + "a" * 10**6 + "1"),
    "brackets": ("Dream", '"' + "[a" * 10**5 + '" -s 50'),
    "escapes": ("Dream", '"' + "\\a" * 10**5),
    "spacings": ("parameters", "an owl\nSteps: 20, Sampler: x" + "_karras_k" * 50 + ", Seed: 1"),
    "tags": ("xmp", "<dc:description>" + "<" * 10**6 + "</dc:description>"),
    "GUIDs": ("xmp", "DigImageGUID=" * 10**5),
    "digits": ("parameters", "an owl\nSteps: " + "9" * 10**6),
    "nodes": ("prompt", json.dumps(CHAIN)),
}


@pytest.mark.parametrize("name", LONG)
def test_no_pattern_takes_long(name: str) -> None:
    keyword, text = LONG[name]
    before = time.process_time()
    sane(understand(Said(Texts("png", {keyword: (text,)}))))
    assert time.process_time() - before < 5, "a pattern that tries twice as often for each piece takes a day"


@pytest.mark.parametrize("times", [11, 40])
def test_a_text_that_nodes_double_again_and_again_fills_no_memory(times: int) -> None:
    graph = dict(PLAIN)
    graph["6"] = {"class_type": "CLIPTextEncode", "inputs": {"text": ["100", 0]}}
    for n in range(100, 100 + times):
        inputs = {"text_a": [str(n + 1), 0], "text_b": [str(n + 1), 0]}
        graph[str(n)] = {"class_type": "TextConcatenate", "inputs": inputs}
    graph[str(100 + times)] = {"class_type": "PrimitiveNode", "inputs": {"value": "owl " * 20_000}}
    tracemalloc.start()
    found = understand(Said(Texts("png", {"prompt": (json.dumps(graph),)})))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found is not None
    assert found.prompt == ""
    assert most < 20 * 2**20


@pytest.mark.parametrize("unit", UNITS)
def test_a_megabyte_is_scanned_in_bounded_steps(unit: str) -> None:
    text = (unit * (2**20 // len(unit)))[: 2**18]
    assert counted(lambda: pairs(text)) < 60 * len(text)
    taken_apart(text)
