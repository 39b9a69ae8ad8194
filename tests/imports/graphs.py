"""ComfyUI graphs as its nodes write them, and what they say."""

from __future__ import annotations

import copy
import json
from typing import Any

PLAIN: dict[str, Any] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 18446744073709551615,
            "steps": 20,
            "cfg": 8.0,
            "sampler_name": "dpmpp_2m",
            "scheduler": "karras",
            "denoise": 1.0,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "an owl", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
}

FLUX: dict[str, Any] = {
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a fox", "clip": ["11", 0]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["13", 0], "vae": ["10", 0]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
    "10": {"class_type": "VAELoader", "inputs": {"vae_name": "ae.safetensors"}},
    "11": {"class_type": "DualCLIPLoader", "inputs": {"clip_name1": "t5", "clip_name2": "l", "type": "flux"}},
    "12": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux1-dev.safetensors", "weight_dtype": "default"}},
    "13": {
        "class_type": "SamplerCustomAdvanced",
        "inputs": {
            "noise": ["25", 0],
            "guider": ["22", 0],
            "sampler": ["16", 0],
            "sigmas": ["17", 0],
            "latent_image": ["27", 0],
        },
    },
    "16": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
    "17": {
        "class_type": "BasicScheduler",
        "inputs": {"scheduler": "simple", "steps": 4, "denoise": 1.0, "model": ["30", 0]},
    },
    "22": {"class_type": "BasicGuider", "inputs": {"model": ["30", 0], "conditioning": ["26", 0]}},
    "25": {"class_type": "RandomNoise", "inputs": {"noise_seed": 219670278747233}},
    "26": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["6", 0]}},
    "27": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 1024, "height": 1024, "batch_size": 1}},
    "30": {
        "class_type": "ModelSamplingFlux",
        "inputs": {"max_shift": 1.15, "base_shift": 0.5, "width": 1024, "height": 1024, "model": ["31", 0]},
    },
    "31": {
        "class_type": "LoraLoaderModelOnly",
        "inputs": {"lora_name": "style.safetensors", "strength_model": 0.75, "model": ["12", 0]},
    },
}


def changed(graph: dict[str, Any], **nodes: Any) -> dict[str, Any]:
    """A graph with other inputs at these nodes, `n3={"steps": 5}`, or with nodes more."""
    graph = copy.deepcopy(graph)
    for name, given in nodes.items():
        if "class_type" in given:
            graph[name[1:]] = given
        else:
            graph[name[1:]]["inputs"].update(given)
    return graph


TWO = changed(
    PLAIN,
    n20={
        "class_type": "KSamplerAdvanced",
        "inputs": {
            **{key: PLAIN["3"]["inputs"][key] for key in ("sampler_name", "scheduler", "positive", "negative")},
            "noise_seed": 7,
            "steps": 30,
            "cfg": 5.0,
            "start_at_step": 24,
            "latent_image": ["3", 0],
            "model": ["21", 0],
        },
    },
    n21={"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "refiner.safetensors"}},
    n8={"samples": ["20", 0]},
)

WORKFLOW: dict[str, Any] = {
    "last_node_id": 9,
    "nodes": [
        {
            "id": 3,
            "type": "KSampler",
            "mode": 0,
            "inputs": [
                {"name": "model", "link": 1},
                {"name": "positive", "link": 4},
                {"name": "negative", "link": 6},
                {"name": "latent_image", "link": 2},
            ],
            "widgets_values": [77, "randomize", 12, 6.5, "euler_ancestral", "normal", 1],
        },
        {"id": 4, "type": "CheckpointLoaderSimple", "mode": 0, "widgets_values": ["v1-5.ckpt"]},
        {"id": 5, "type": "EmptyLatentImage", "mode": 0, "widgets_values": [512, 512, 4]},
        {"id": 6, "type": "CLIPTextEncode", "mode": 0, "widgets_values": ["a boat"]},
        {"id": 7, "type": "CLIPTextEncode", "mode": 0, "widgets_values": ["text"]},
        {"id": 8, "type": "VAEDecode", "mode": 0, "inputs": [{"name": "samples", "link": 7}]},
        {"id": 9, "type": "SaveImage", "mode": 0, "inputs": [{"name": "images", "link": 9}], "widgets_values": ["C"]},
    ],
    "links": [
        [1, 4, 0, 3, 0, "MODEL"],
        [2, 5, 0, 3, 3, "LATENT"],
        [4, 6, 0, 3, 1, "CONDITIONING"],
        [6, 7, 0, 3, 2, "CONDITIONING"],
        [7, 3, 0, 8, 0, "LATENT"],
        [9, 8, 0, 9, 0, "IMAGE"],
    ],
}


def texts(graph: dict[str, Any]) -> dict[str, str]:
    return {"prompt": json.dumps(graph)}
