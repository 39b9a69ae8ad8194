"""Laws of graphs: every change is found, every hostile file is an error, every value fits or is refused."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from teststrip.comfy import echo, workflows
from teststrip.comfy.nodes import Input, fitted, known
from teststrip.errors import EngineError, StudyError

NAMES = ["1", "2", "class_type", "inputs", "_meta", "title", "seed", "filename_prefix", "nodes", "text", "links"]
VALUES = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**64), st.floats(), st.text(max_size=8), st.tuples(st.just("1"), st.just(0))
)
LITERALS = VALUES.map(lambda one: list(one) if isinstance(one, tuple) else one)
INPUTS = st.dictionaries(st.sampled_from("abcdef"), LITERALS)
GRAPHS = st.dictionaries(
    st.sampled_from("123456"),
    st.fixed_dictionaries({"class_type": st.sampled_from(["A", "B"]), "inputs": INPUTS}),
    min_size=1,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


def png(said: str) -> bytes:
    notes, file = PngInfo(), io.BytesIO()
    notes.add_text("prompt", said)
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(file, "PNG", pnginfo=notes)
    return file.getvalue()


@settings(deadline=None, max_examples=60)
@given(GRAPHS)
def test_a_picture_of_the_graph_that_was_sent_is_known(graph: dict[str, Any]) -> None:
    assert echo.difference(png(json.dumps(graph)), graph) == ""


@settings(deadline=None, max_examples=100)
@given(GRAPHS, st.data())
def test_any_one_change_of_a_graph_is_found(graph: dict[str, Any], data: st.DataObject) -> None:
    changed = json.loads(json.dumps(graph))
    name = data.draw(st.sampled_from(sorted(graph)))
    inputs = changed[name]["inputs"]
    way = data.draw(st.sampled_from(["node", "class", "value", "more", "less"]))
    if way == "node":
        del changed[name]
    elif way == "class":
        changed[name]["class_type"] += "B"
    elif way == "more":
        inputs["new"] = 1
    else:
        assume(inputs)
        key = data.draw(st.sampled_from(sorted(inputs)))
        before = inputs.pop(key)
        if way == "value":
            other = data.draw(LITERALS)
            assume(isinstance(other, bool) != isinstance(before, bool) or other != before)
            assume(other == other or before == before)
            inputs[key] = other
    assert echo.difference(png(json.dumps(changed)), graph)


@settings(deadline=None)
@given(JSON, st.text(max_size=40) | st.sampled_from(["1.seed = seed; 2.text = prompt", "1.seed = seed"]))
def test_any_file_is_a_workflow_or_an_error_that_says_why(found: object, places: str) -> None:
    try:
        workflow = workflows.parse(json.dumps(found), places)
    except EngineError:
        return
    assert {"prompt", "seed"} <= set(workflow.places)


@settings(deadline=None)
@given(JSON)
def test_whatever_a_server_says_of_a_node_is_read(info: object) -> None:
    node = known("Node", {"input": {"required": info, "optional": {"a": info}}})
    assert node.name == "Node"


@given(st.integers() | st.floats() | st.text(max_size=5) | st.booleans(), st.sampled_from(["INT", "FLOAT", "STRING"]))
def test_a_value_that_fits_stays_what_it_is_and_fits_again(value: Any, kind: Any) -> None:
    wanted = Input(kind, low=None if kind == "STRING" else -(2.0**53), high=None if kind == "STRING" else 2.0**53)
    try:
        read = fitted(value, wanted)
    except StudyError:
        return
    assert fitted(read, wanted) == read
    if kind == "INT" and not isinstance(value, str):
        assert read == value  # nothing is cut off
