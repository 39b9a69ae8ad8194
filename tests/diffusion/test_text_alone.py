"""Every pipeline class of Diffusers: what makes a picture from a text alone is taken, what needs more is told apart."""

from __future__ import annotations

import ast
import inspect
from functools import cache

import diffusers
import pytest
from tests import tiny_families
from tests import tiny_pipelines as tiny

from teststrip.diffusion import pipelines, source

diffusers.logging.set_verbosity_error()


def classes() -> dict[str, ast.ClassDef]:
    """Each class of a pipeline file that has a call."""
    trees = [ast.parse(source.text(path)) for path in source.files(pipelines.PIPELINES)]
    found = {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}
    return {name: tree for name, tree in found.items() if source.function(tree, "__call__")}


CLASSES = classes()
FIT = sorted(name for name in CLASSES if not pipelines.find(name).unfit)
PICTURES = {"images", "image", "rgb"}
PASSED_ON = {"outputs", "output", "images"}
"""What a pipeline returns that hands over the answer of another one, or a list of pictures without a name."""


def returned(tree: ast.ClassDef) -> set[str]:
    """What a pipeline's call returns, by the names that it gives to it."""
    answers = [node.value for node in ast.walk(source.function(tree, "__call__")) if isinstance(node, ast.Return)]
    named = {keyword.arg for value in answers if isinstance(value, ast.Call) for keyword in value.keywords}
    plain = [value.args[0] for value in answers if isinstance(value, ast.Call) and value.args]
    return named | {node.id for node in [*answers, *plain] if isinstance(node, ast.Name)}


def test_what_is_taken_returns_pictures_and_asks_for_nothing_but_text_and_settings():
    assert len(FIT) > 60
    for name in FIT:
        assert returned(CLASSES[name]) & (PICTURES | PASSED_ON), name
        call = source.function(CLASSES[name], "__call__")
        required = {argument.arg for argument in call.args.args[1 : len(call.args.args) - len(call.args.defaults)]}
        assert required <= set(pipelines.find(name).knobs), name


def test_settings_of_pipelines_with_an_optional_picture_are_known():
    known = pipelines.knobs()
    for name, setting in [
        ("Flux2Pipeline", "caption_upsample_temperature"),
        ("QwenImage21Pipeline", "output_resolution"),
        ("HunyuanImagePipeline", "distilled_guidance_scale"),
    ]:
        assert pipelines.find(name).unfit == ""
        assert setting in pipelines.find(name).knobs
        assert setting in known


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("QwenImageEditPipeline", "it takes image"),
        ("FluxFillPipeline", "it takes image"),
        ("HunyuanImageRefinerPipeline", "it takes image"),
        ("StableAudioPipeline", "it makes audio"),
        ("LLaDA2Pipeline", "it makes texts"),
        ("ShapEPipeline", "it makes views of a shape"),
    ],
)
def test_what_only_looks_like_text_to_image_is_told_apart(name, why):
    assert pipelines.find(name).unfit == why


def test_all_settings_of_what_is_taken_are_known_and_no_others():
    of_all = set().union(*(pipelines.find(name).knobs for name in FIT))
    with_pictures = set().union(*(pipelines.find(name).knobs for name in CLASSES if pipelines.find(name).takes))
    assert of_all <= set(pipelines.knobs()) <= of_all | with_pictures


def test_what_is_refused_names_an_input_that_it_has_or_what_it_makes():
    told = {}
    for name in sorted(CLASSES.keys() - set(FIT)):
        why = pipelines.find(name).unfit
        arguments = {argument for argument, _, _ in pipelines.arguments_of(source.function(CLASSES[name], "__call__"))}
        if why == "it takes no prompt":
            assert "prompt" not in pipelines.find(name).knobs, name
        elif why.startswith("it takes "):
            argument = why.removeprefix("it takes ")
            assert argument in arguments, name
        else:
            told[name] = why
    apart = ("embeddings for another pipeline", "views of a shape")
    likely = {name for name, why in told.items() if why.startswith("it makes ") and not why.endswith(apart)}
    # The frames of these videos are called images.
    zero = {"TextToVideoZeroPipeline", "TextToVideoZeroSDXLPipeline"}
    assert {name for name in likely if returned(CLASSES[name]) & PICTURES} == zero


@cache
def built(family: str):
    return tiny.build(family)


def fitting(family: str) -> list[str]:
    """The classes that can be made of a family's parts, as their annotations say."""
    parts = {name: type(part).__name__ for name, part in built(family).components.items()}
    found = []
    for name, tree in CLASSES.items():
        constructor = source.function(tree, "__init__")
        if constructor is None or not hasattr(diffusers, name) or name.startswith("Onnx"):
            continue
        arguments = list(pipelines.arguments_of(constructor))
        heart = {
            part: ast.unparse(kind) for part, kind, _ in arguments if kind and part in ("vae", "unet", "transformer")
        }
        required = {part for part, _, default in arguments if default is pipelines.NONE_GIVEN}
        if (
            len(heart) == 2
            and required <= parts.keys()
            and all(parts.get(part, "none") in kind for part, kind in heart.items())
        ):
            found.append(name)
    return found


OTHER_PARTS = {"Flux2Pipeline", "SanaSprintPipeline"}
"""Made of parts of these classes, but not of these parts: another text encoder, another scheduler."""

FAMILIES = [
    pytest.param(name, marks=() if name in ("flux", "z_image") else pytest.mark.slow)
    for name in ("sd15", "sdxl", "flux", "sd3", "qwen_image", "flux2_klein", "z_image", "sana")
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore")
def test_exactly_those_are_taken_whose_call_makes_a_picture_from_text_alone(family):
    side = tiny.SIDE.get(family, tiny_families.SIDE)
    made = set()
    for name in fitting(family):
        kind, knobs = getattr(diffusers, name), pipelines.find(name).knobs
        taken = inspect.signature(kind.__init__).parameters
        asked = {"prompt": "an owl", "num_inference_steps": 2, "height": side, "width": side}
        asked |= tiny_families.ASKED.get(family, {})
        pipe = kind(**{part: model for part, model in built(family).components.items() if part in taken})
        pipe.set_progress_bar_config(disable=True)
        try:
            made |= (
                {name} if len(pipe(**{one: value for one, value in asked.items() if one in knobs})[0]) == 1 else set()
            )
        except (TypeError, ValueError, AttributeError, IndexError):
            continue
    assert len(made) > 0
    assert made | OTHER_PARTS == {name for name in fitting(family) if not pipelines.find(name).unfit} | OTHER_PARTS
