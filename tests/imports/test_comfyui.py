"""A ComfyUI graph is walked from the saved picture upstream, whatever nodes and links it has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.imports import files
from tests.imports.graphs import FLUX, PLAIN, TWO, WORKFLOW, changed, texts

from teststrip.imports import Understood, read
from teststrip.imports.graph import MOST_STEPS, of_prompt
from teststrip.imports.leftover import MOST, TOO_MANY

OLD = {"Random seed after every gen": True}
KARRAS = {"scheduler": "DPMSolverMultistepScheduler", "scheduler.use_karras_sigmas": True}
SETTINGS = {
    "num_inference_steps": 20,
    "guidance_scale": 8.0,
    **KARRAS,
    "model": "sd15.safetensors",
    "width": 512,
    "height": 768,
    "negative_prompt": "blurry",
}


def understood(graph: dict[str, Any]) -> Understood:
    found = read(files.png(texts(graph)))
    assert found is not None
    assert found.tool == "ComfyUI"
    return found


def test_the_plain_graph_says_everything() -> None:
    found = understood(PLAIN)
    assert (found.prompt, found.seed, found.settings) == ("an owl", "18446744073709551615", SETTINGS)
    assert found.remarks == found.unread == ()


def test_a_sampler_in_parts_is_put_together_and_flux_has_two_guidances() -> None:
    found = understood(FLUX)
    assert (found.prompt, found.seed) == ("a fox", "219670278747233")
    assert found.settings == {
        "num_inference_steps": 4,
        "scheduler": "EulerDiscreteScheduler",
        "spacing": "simple",
        "guidance_scale": 3.5,
        "model": "flux1-dev.safetensors",
        "lora": "style.safetensors",
        "lora_scale": 0.75,
        "width": 1024,
        "height": 1024,
        "vaeloader_vae_name": "ae.safetensors",
        "dualcliploader_clip_name1": "t5",
        "dualcliploader_clip_name2": "l",
        "dualcliploader_type": "flux",
        "unetloader_weight_dtype": "default",
        "modelsamplingflux_max_shift": 1.15,
        "modelsamplingflux_base_shift": 0.5,
        "modelsamplingflux_width": 1024,
        "modelsamplingflux_height": 1024,
    }


def test_of_two_samplers_the_one_before_the_picture_counts_and_it_is_said() -> None:
    found = understood(TWO)
    assert (found.seed, found.settings["model"], found.settings["num_inference_steps"]) == (
        "7",
        "refiner.safetensors",
        30,
    )
    assert found.remarks[0].startswith("2 samplers in the graph")


@pytest.mark.parametrize(
    ("nodes", "prompt"),
    [
        ({"n6": {"text": ["30", 0]}, "n30": {"class_type": "PrimitiveNode", "inputs": {"value": "a cat"}}}, "a cat"),
        (
            {
                "n6": {"text": ["30", 0]},
                "n30": {
                    "class_type": "StringConcatenate",
                    "inputs": {"string_a": "a cat", "string_b": ["31", 0], "delimiter": ", "},
                },
                "n31": {"class_type": "PrimitiveString", "inputs": {"value": "at dusk"}},
            },
            "a cat, at dusk",
        ),
        ({"n6": {"text": ["99", 0]}}, ""),  # a link to a node that is not there
        ({"n6": {"text": ["6", 0]}}, ""),  # a text that is its own
        ({"n6": {"text": ["30", 0]}, "n30": {"class_type": "TextConcat", "inputs": {"text_a": ["30", 0]}}}, ""),
        (
            {
                "n3": {"positive": ["30", 0], "negative": ["30", 1]},
                "n30": {
                    "class_type": "ControlNetApplyAdvanced",
                    "inputs": {"positive": ["6", 0], "negative": ["7", 0], "strength": 1.0},
                },
            },
            "an owl",
        ),
        (
            {
                "n3": {"positive": ["30", 0]},
                "n30": {
                    "class_type": "ConditioningCombine",
                    "inputs": {"conditioning_1": ["6", 0], "conditioning_2": ["31", 0]},
                },
                "n31": {"class_type": "CLIPTextEncode", "inputs": {"text": "a moon"}},
            },
            "",
        ),
        ({"n6": {"class_type": "CLIPTextEncodeSDXL", "inputs": {"text_g": "an owl", "text_l": "an owl"}}}, "an owl"),
    ],
    ids=["primitive", "concatenated", "missing", "own", "loop of texts", "ControlNet", "combined", "SDXL"],
)
def test_a_prompt_comes_through_other_nodes_or_is_said_to_be_unknown(nodes: dict[str, Any], prompt: str) -> None:
    found = understood(changed(PLAIN, **nodes))
    assert found.prompt == prompt
    assert found.settings["negative_prompt"] == "blurry"
    assert any(one.key == "prompt" for one in found.unread) == (prompt == "")


def test_a_picture_from_a_picture_is_flagged() -> None:
    graph = changed(
        PLAIN,
        n3={"latent_image": ["30", 0], "denoise": 0.87, "sampler_name": "sample_dpmpp_2m", **OLD},
        n30={"class_type": "VAEEncode", "inputs": {"pixels": ["31", 0]}},
        n31={"class_type": "LoadImage", "inputs": {"image": "me.png"}},
        n4={"class_type": "CheckpointLoader", "inputs": {"ckpt_name": "old.ckpt", "config_name": "v1.yaml"}},
    )
    found = understood(graph)
    assert found.remarks == ("image-to-image: the picture was made from another picture",)
    assert found.settings["strength"] == 0.87
    assert found.settings["scheduler"] == KARRAS["scheduler"]
    assert "width" not in found.settings
    assert "me.png" not in str(found)


def test_the_drawing_of_a_graph_is_read_where_there_is_no_graph() -> None:
    found = read(files.png({"workflow": json.dumps(WORKFLOW)}))
    assert found is not None
    assert (found.prompt, found.seed) == ("a boat", "77")
    assert found.settings == {
        "num_inference_steps": 12,
        "guidance_scale": 6.5,
        "scheduler": "EulerAncestralDiscreteScheduler",
        "spacing": "normal",
        "negative_prompt": "text",
        "width": 512,
        "height": 512,
        "model": "v1-5.ckpt",
    }
    assert found.remarks == ("a batch: several pictures have this seed",)


@pytest.mark.parametrize("tag", [0x010F, 0x010E, 0x0110])
@pytest.mark.parametrize("head", ["prompt:", "Prompt:"])
def test_webp_has_the_graph_in_a_field_of_exif(tag: int, head: str) -> None:
    found = read(files.photo({tag: (head + json.dumps(PLAIN)).encode()}, form="WEBP"))
    assert found is not None
    assert found.settings == SETTINGS


def test_a_loop_of_links_ends() -> None:
    graph = changed(PLAIN, n4={"class_type": "LoraLoader", "inputs": {"lora_name": "a", "model": ["10", 0]}})
    graph["10"] = {"class_type": "LoraLoader", "inputs": {"lora_name": "b", "model": ["4", 0]}}
    found = understood(graph)
    assert found.settings["lora"] == "a + b"
    assert "model" not in found.settings


def test_a_walk_visits_each_node_once_and_never_more_than_allowed() -> None:
    size = 300
    graph = {
        str(n): {"class_type": "Node", "inputs": {f"in{m}": [str(m), 0] for m in range(0, size, 7)}}
        for n in range(size)
    }
    found = of_prompt(graph)
    assert found is not None
    for node in list(found.nodes.values()):
        list(found.upstream(node))
    assert found.steps <= MOST_STEPS + size


def test_nan_in_a_graph_is_no_reason_to_lose_it() -> None:
    said = json.dumps(changed(PLAIN, n5={"is_changed": float("nan")}))
    assert "NaN" in said
    found = read(files.png({"prompt": said}))
    assert found is not None
    assert found.settings == SETTINGS


def more(graph: dict[str, Any]) -> dict[str, object]:
    """The settings besides those of the plain graph."""
    return {name: value for name, value in understood(graph).settings.items() if SETTINGS.get(name) != value}


def on_the_way(kind: str, *, number: str = "20", model: str = "4", **inputs: object) -> dict[str, Any]:
    """The plain graph with a node between its model and its sampler."""
    node = {"class_type": kind, "inputs": {"model": [model, 0], **inputs}}
    return changed(PLAIN, **{"n3": {"model": [number, 0]}, f"n{number}": node})


@pytest.mark.parametrize(("layer", "skipped"), [(-1, 0), (-2, 1), (-24, 23)])
def test_the_last_layer_that_is_used_is_read_as_layers_that_are_skipped(layer: int, skipped: int) -> None:
    node = {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": layer, "clip": ["4", 1]}}
    graph = changed(PLAIN, n20=node, n6={"clip": ["20", 0]}, n7={"clip": ["20", 0]})
    assert more(graph) == {"clip_skip": skipped}
    assert more(changed(graph, n20={"stop_at_clip_layer": 3})) == {"clipsetlastlayer_stop_at_clip_layer": 3}


@pytest.mark.parametrize("value", [1.1, 7, True, False, "nearest-exact"])
def test_an_input_that_no_reader_knows_is_a_setting_of_its_own(value: object) -> None:
    assert more(on_the_way("FreeU_V2", b1=value)) == {"freeu_v2_b1": value}


def test_of_several_nodes_of_a_class_each_has_settings_of_its_own() -> None:
    graph = changed(
        on_the_way("FreeU", b1=1.1, model="21"),
        n21={"class_type": "FreeU", "inputs": {"b1": 1.3, "model": ["4", 0]}},
        n8={"samples": ["22", 0]},
        n22={"class_type": "LatentUpscaleBy", "inputs": {"samples": ["3", 0], "scale_by": 1.5}},
    )
    assert more(graph) == {"freeu_b1": 1.1, "freeu_2_b1": 1.3, "latentupscaleby_scale_by": 1.5}


def test_the_other_samplers_settings_are_there_under_its_own_name() -> None:
    found = understood(changed(TWO, n3={"cfg": 2.5})).settings
    assert (found["guidance_scale"], found["ksampler_cfg"], found["ksampleradvanced_start_at_step"]) == (5.0, 2.5, 24)
    assert found["checkpointloadersimple_ckpt_name"] == "sd15.safetensors"


@pytest.mark.parametrize(
    "nodes",
    [
        {"n9": {"filename_prefix": "anna", "quality": 80}},
        {"n8": {"images": ["30", 0]}, "n30": {"class_type": "PreviewBridge", "inputs": {"x": 1}}},
        {"n8": {"more": ["30", 0]}, "n30": {"class_type": "Note", "inputs": {"text": "mine"}}},
        {"n8": {"more": ["30", 0]}, "n30": {"class_type": "Wildcards", "inputs": {"seed": 5, "noise_seed": 6}}},
        {"n8": {"noise_seed": ["30", 0]}, "n30": {"class_type": "PrimitiveInt", "inputs": {"value": 5}}},
        {"n8": {"control_after_generate": "fixed", "api_key": "mine", "nothing": None}},
        {"n30": {"class_type": "FreeU", "inputs": {"b1": 1.1}}},  # no node needs it
    ],
    ids=["saver", "preview", "note", "seeds", "seed of a primitive", "no settings", "not upstream"],
)
def test_what_changes_no_picture_is_no_setting(nodes: dict[str, Any]) -> None:
    assert more(changed(PLAIN, **nodes)) == {}


def test_an_input_that_cannot_be_a_setting_is_said() -> None:
    found = understood(on_the_way("Stack", loras={"on": True}, **{"???": 1}, text="a" * 501))
    assert {one.key for one in found.unread} == {"Stack loras", "0 Stack ???", "Stack text"}
    assert found.settings == SETTINGS


def test_no_node_says_one_of_our_settings_by_its_name() -> None:
    assert more(on_the_way("LoRA", scale=0.5)) == {"lora_node_scale": 0.5}
    found = understood(on_the_way("模", guidance_scale=0.5))
    assert (found.settings, found.unread[0].key) == (SETTINGS, "0 模 guidance_scale")


@pytest.mark.parametrize("size", [400, 4000])
def test_of_more_inputs_than_are_read_the_nearest_are_there_and_it_is_said(size: int) -> None:
    graph = dict(PLAIN)
    for n in range(100, 100 + size):
        graph[str(n)] = {"class_type": "Node" * 9, "inputs": {"next": [str(n + 1), 0], "a": n, "b" * 500: 1}}
    graph = changed(graph, n8={"more": ["100", 0]})
    found = understood(graph)
    assert found.settings["nodenodenodenodenodenodenodenodenode_a"] == 100
    assert len(found.settings) + len(found.unread) <= MOST + len(SETTINGS)
    assert found.remarks == (TOO_MANY,)
