"""What tools wrote into public files, each with its right parse. The numbers are those of the research that found them.

Prompts are shortened; everything else is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STEPS, CFG = "num_inference_steps", "guidance_scale"
KARRAS = {"scheduler": "DPMSolverMultistepScheduler", "scheduler.use_karras_sigmas": True}
JOB = "8323d5b0-1888-4fd7-a239-9d4bb8222ce3"


@dataclass(frozen=True)
class Case:
    """A text under a keyword, and what it says.

    Attributes:
        settings: all of them, without the negative prompt.
        some: settings that must be among others.
        without: settings that must not be there.
        remarks: beginnings of remarks.
        unread: keys that become no setting.
    """

    texts: Mapping[str, str]
    tool: str
    prompt: str
    negative: str | None = ""
    seed: str = ""
    settings: Mapping[str, object] | None = None
    some: Mapping[str, object] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    job: str = ""


def a1111(text: str, prompt: str, negative: str = "", seed: str = "", **more: object) -> Case:
    return Case({"parameters": text}, str(more.pop("tool", "A1111")), prompt, negative, seed, **more)  # type: ignore


def size(width: int, height: int) -> dict[str, int]:
    return {"width": width, "height": height}


CASES: Mapping[str, Case] = {
    "1 hashes are one value": a1111(
        "photo of a duck\nNegative prompt: monochrome\nSteps: 15, Sampler: UniPC, CFG scale: 5, Seed: 235284042, "
        "Size: 512x400, Model hash: c0d1994c73, Model: realistic_realisticVisionV20_v20, "
        'Hashes: {"vae": "c6a580b13a", "model": "c0d1994c73"}',
        "photo of a duck",
        "monochrome",
        "235284042",
        settings={
            STEPS: 15,
            "scheduler": "UniPCMultistepScheduler",
            CFG: 5.0,
            "model": "realistic_realisticVisionV20_v20",
            **size(512, 400),
        },
        unread=("Model hash", "Hashes"),
    ),
    "2 a ControlNet has no model and no weight of the picture": a1111(
        'positive\nNegative prompt: negative\nSteps: 20, ControlNet 0: "preprocessor: canny, model: '
        "control_v11p_sd15_canny [d14c016b], weight: 1.0, starting/ending: (0.0, 1.0), resize mode: Crop and Resize, "
        'pixel perfect: True, control mode: Balanced, preprocessor params: (512, 100, 200)", Size: 512x512',
        "positive",
        "negative",
        some={STEPS: 20, **size(512, 512)},
        without=("model", "weight", "preprocessor"),
    ),
    "3 JSON holds no keys of the picture": a1111(
        "a cat\nSteps: 50, Sampler: DPM++ 3M SDE Karras, CFG scale: 3.6, Seed: 1087151610341875, Size: 768x1344, "
        'Model hash: {"key1": "value1: with colon, and comma", "key2": {"sub": "value2"}}, Model: Kolors v1, '
        'Hashes: {"model": ""}, Civitai metadata: {"prompt": "a, b: c", "resources": [{"id": 1, "name": "SD XL, v1.0"}]'
        "}"
        ", Version: ComfyUI",
        "a cat",
        seed="1087151610341875",
        tool="ComfyUI",
        settings={
            STEPS: 50,
            "scheduler": "DPMSolverMultistepScheduler",
            "scheduler.algorithm_type": "sde-dpmsolver++",
            "scheduler.solver_order": 3,
            "scheduler.use_karras_sigmas": True,
            CFG: 3.6,
            "model": "Kolors v1",
            **size(768, 1344),
        },
        unread=("Model hash", "Hashes", "Civitai metadata", "Version"),
    ),
    "4 Forge has two guidances": a1111(
        'FredFraiStyle "positive."\n\n<lora:FredFraiStyle-FLUX-Share:0.95>\n<lora:- Flux1 - vanta_black_V2.0:0.55>\n'
        "Steps: 20, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Distilled CFG Scale: 3.5, Seed: 3045329758, "
        'Size: 832x1216, Model hash: 06f96f89f6, Model: flux_dev, Lora hashes: "FredFraiStyle-FLUX-Share: de92428f6411,'
        ' - Flux1 - vanta_black_V2.0: 5d8cf3724039", Version: f2.0.1v1.10.1-previous-561-g82eb7566',
        'FredFraiStyle "positive."\n\n<lora:FredFraiStyle-FLUX-Share:0.95>\n<lora:- Flux1 - vanta_black_V2.0:0.55>',
        seed="3045329758",
        tool="Forge",
        settings={
            STEPS: 20,
            "scheduler": "EulerDiscreteScheduler",
            "spacing": "simple",
            "true_cfg_scale": 1.0,
            CFG: 3.5,
            "model": "flux_dev",
            **size(832, 1216),
        },
        unread=("Model hash", "Lora hashes", "Version"),
    ),
    "5 SD.Next calls the schedule a scheduler": a1111(
        "positive prompt text\nNegative prompt: negative prompt text\nSteps: 10, Size: 256x256, Sampler: DPM++ SDE, "
        "Scheduler: Foo, Seed: 666, CFG scale: 15.7, CFG end: 0.3, App: SD.Next, Parser: a1111, Model: m, "
        "Model hash: 335da0800c",
        "positive prompt text",
        "negative prompt text",
        "666",
        tool="SD.Next",
        settings={
            STEPS: 10,
            "scheduler": "DPMSolverSDEScheduler",
            "spacing": "foo",
            CFG: 15.7,
            "cfg_end": 0.3,
            "model": "m",
            **size(256, 256),
        },
    ),
    "6 the second pass is not the first": a1111(
        "a girl\nSteps: 30, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 1839556000, "
        "Size: 760x1024, "
        "Model hash: 0123456789, Model: model-a, Denoising strength: 0.33, Clip skip: 2, Hires Module 1: Use same "
        'choices, Hires prompt: "1girl, ...\\nmore", Hires CFG Scale: 5, Hires upscale: 1.5, Hires steps: 20, '
        "Hires upscaler: Latent, Version: f9.9.9-fake",
        "a girl",
        seed="1839556000",
        tool="Forge",
        settings={
            STEPS: 30,
            "scheduler": "EulerAncestralDiscreteScheduler",
            CFG: 7.0,
            "model": "model-a",
            "strength": 0.33,
            "clip_skip": 1,
            "hires_module_1": "Use same choices",
            "hires_prompt": "1girl, ...\nmore",
            "hires_cfg_scale": 5,
            "hires_upscale": 1.5,
            "hires_steps": 20,
            "hires_upscaler": "Latent",
            **size(760, 1024),
        },
    ),
    "7 indentation and blank lines do not matter": a1111(
        "a woman, Mars\n\n        Negative prompt: anime,cartoon\n        \n        Steps: 21, Sampler: DPM++ 2M "
        "Karras, CFG scale: 4.5, Seed: 3628767367, Size: 512x936, Model hash: 4f3812a701, Model: 0cell_ci_rp5_gg, "
        'TI hashes: "EasyNegative: c74b4e810b03", Version: v1.5.1, Hashes: {"vae": "c6a580b13a"}',
        "a woman, Mars",
        "anime,cartoon",
        "3628767367",
        settings={STEPS: 21, **KARRAS, CFG: 4.5, "model": "0cell_ci_rp5_gg", **size(512, 936)},
    ),
    "8 block weights are text": a1111(
        "1girl, solo, <lora:BlueArchive10:1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1>,BlueArchive,\nNegative prompt: "
        "Neg1,Negative,\nSteps: 20, Sampler: DPM++ 2M SDE Karras, CFG scale: 7, Seed: 2647703743, Size: 768x768, "
        'Model hash: 72bd94132e, Model: CuteMix, Denoising strength: 0.7, ControlNet 0: "preprocessor: openpose, '
        'model: control_v11p_sd15_openpose [cab727d4], weight: 1, starting/ending: (0, 1), …", Hires upscale: 2, '
        'Hires upscaler: Latent, TI hashes: "Neg1: 339cc9210f70, Negative: 66a7279a88dd", Version: v1.5.1',
        "1girl, solo, <lora:BlueArchive10:1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1>,BlueArchive,",
        "Neg1,Negative,",
        "2647703743",
        some={"model": "CuteMix", "hires_upscale": 2, **size(768, 768)},
        without=("negative", "neg1", "weight"),
    ),
    "9 a key in small letters": a1111(
        "a stable robot\nSteps: 20, Sampler: k_euler, CFG scale: 9, Seed: 1415104642, Size: 512x512, model: "
        "stable_diffusion",
        "a stable robot",
        seed="1415104642",
        settings={
            STEPS: 20,
            "scheduler": "EulerDiscreteScheduler",
            CFG: 9.0,
            "model": "stable_diffusion",
            **size(512, 512),
        },
    ),
    "10 no spaces": a1111(
        "Steps:30,Sampler:DPM++2MKarras,CFGscale:7,Seed:2216407431,Size:640x896,Modelhash:eb2h052f91,Model:anime_v1",
        "",
        seed="2216407431",
        settings={STEPS: 30, **KARRAS, CFG: 7.0, "model": "anime_v1", **size(640, 896)},
    ),
    "11 commas in a row": a1111(
        "Steps: 30, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 2216407431, Size: 640x896,,,,,, Model hash: "
        "eb2h052f91, Model: anime_v1,,,,,,,",
        "",
        seed="2216407431",
        settings={STEPS: 30, **KARRAS, CFG: 7.0, "model": "anime_v1", **size(640, 896)},
    ),
    "13 said twice: the first counts": a1111(
        "Steps: 30, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 2216407431, Size: 640x896, Model hash: eb2h052f91, "
        "Model: anime_v1, Steps: 40, Sampler: Whatever, CFG scale: 1, Seed: 1234567890, Size: 1024x1024, Model hash: "
        "1234567890, Model: anime_v2",
        "",
        seed="2216407431",
        settings={STEPS: 30, **KARRAS, CFG: 7.0, "model": "anime_v1", **size(640, 896)},
        remarks=("Steps said twice", "Seed said twice", "Model said twice"),
    ),
    "14 Civitai's resources": a1111(
        "masterpiece, best quality, 1girl, red hair, forest, dappled sunlight\nNegative prompt: worst quality, low "
        "quality, watermark\nSteps: 28, CFG scale: 5.5, Sampler: Euler a, Seed: 987654321, workflow: txt2img, Size: "
        "832x1216, draft: false, Clip skip: 2, Created Date: 2024-11-02T10:11:12.1234567Z, Civitai resources: "
        '[{"type":"checkpoint","modelVersionId":1190596,"modelName":"WAI-illustrious-SDXL","modelVersionName":"v11.0"},'
        '{"type":"lora","weight":0.8,"modelVersionId":456789,"modelName":"Detailer, Illustrious","modelVersionName":'
        '"v1.0"},{"type":"embed","weight":1,"modelVersionId":222,"modelName":"lazyneg","modelVersionName":"v1"}], '
        'Civitai metadata: {"remixOfId":12345}',
        "masterpiece, best quality, 1girl, red hair, forest, dappled sunlight",
        "worst quality, low quality, watermark",
        "987654321",
        tool="Civitai",
        settings={
            STEPS: 28,
            CFG: 5.5,
            "scheduler": "EulerAncestralDiscreteScheduler",
            "draft": False,
            "clip_skip": 1,
            "model": "WAI-illustrious-SDXL",
            "lora": "Detailer, Illustrious",
            "lora_scale": 0.8,
            **size(832, 1216),
        },
        unread=("workflow", "Created Date", "Civitai metadata"),
    ),
    "15 a sampler that the tool does not know": a1111(
        "A cinematic photo of an old fisherman mending nets at dawn, warm light, mist over the harbor\nSteps: 20, CFG "
        "scale: 3.5, Sampler: Undefined, Seed: 1234567890, Size: 832x1216, Clip skip: 1, Created Date: "
        '2024-09-01T00:00:00.000Z, Civitai resources: [{"type":"checkpoint","modelVersionId":691639,"modelName":"FLUX",'
        '"modelVersionName":"Dev"}], Civitai metadata: {}',
        "A cinematic photo of an old fisherman mending nets at dawn, warm light, mist over the harbor",
        seed="1234567890",
        tool="Civitai",
        settings={STEPS: 20, CFG: 3.5, "clip_skip": 0, "model": "FLUX", **size(832, 1216)},
        unread=("sampler",),
    ),
    "16 the prompt holds the words Negative prompt": a1111(
        "an owl Negative prompt: x\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1",
        "an owl Negative prompt: x",
        "blurry",
        "1",
        settings={STEPS: 20, "scheduler": "EulerAncestralDiscreteScheduler", CFG: 7.0},
    ),
    "17 a quoted model": a1111(
        'an owl\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Model: "a: b, c", Clip skip: 2',
        "an owl",
        seed="1",
        settings={
            STEPS: 20,
            "scheduler": "EulerAncestralDiscreteScheduler",
            CFG: 7.0,
            "model": "a: b, c",
            "clip_skip": 1,
        },
    ),
    "18 the prompt looks like settings": a1111(
        "Steps: 3, Sampler: X, CFG scale: 1, Seed: 9 was the text\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1",
        "Steps: 3, Sampler: X, CFG scale: 1, Seed: 9 was the text",
        seed="1",
        settings={STEPS: 20, "scheduler": "EulerAncestralDiscreteScheduler", CFG: 7.0},
    ),
    "19 templates follow the settings": a1111(
        "1girl, red hair\nNegative prompt: bad\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1\nTemplate: 1girl, "
        "__haircolor__\nNegative Template: (worst quality, low quality:1.4), __badprompt__",
        "1girl, red hair",
        "bad",
        "1",
        settings={STEPS: 20, "scheduler": "EulerAncestralDiscreteScheduler", CFG: 7.0},
    ),
    "20 additional networks": a1111(
        "8k, RAW photo, portrait, <lora:koreanDollLikeness_v15:0>, <lora:taiwanDollLikeness_v10:0>\nNegative prompt: "
        "paintings, cartoon,\nSteps: 20, Sampler: DPM++ SDE Karras, CFG scale: 7, Seed: 3708370322, Face restoration: "
        "CodeFormer, Size: 512x968, Model hash: fc2511737a, Model: chilloutmix_NiPrunedFp32Fix, Denoising strength: "
        "0.75, Clip skip: 2, AddNet Enabled: True, AddNet Module 1: LoRA, AddNet Model 1: "
        "gakkiAragakiYui_v2(04bbe4c40f7d), AddNet Weight A 1: 1, AddNet Weight B 1: 1",
        "8k, RAW photo, portrait, <lora:koreanDollLikeness_v15:0>, <lora:taiwanDollLikeness_v10:0>",
        "paintings, cartoon,",
        "3708370322",
        some={"model": "chilloutmix_NiPrunedFp32Fix", "addnet_enabled": True, "face_restoration": "CodeFormer"},
        remarks=("image-to-image",),
    ),
    "21 keys with a slash, values with a plus": a1111(
        "an owl\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, ADetailer model: face_yolov8n.pt, ADetailer "
        'prompt: "detailed face, smile", ADetailer dilate/erode: 4, Hires upscaler: R-ESRGAN 4x+, Version: v1.10.1',
        "an owl",
        seed="1",
        some={
            "adetailer_model": "face_yolov8n.pt",
            "adetailer_prompt": "detailed face, smile",
            "adetailer_dilate_erode": 4,
            "hires_upscaler": "R-ESRGAN 4x+",
        },
    ),
    "22 a command line of InvokeAI": Case(
        {
            "Dream": '"a wolf, low contrast [rendering, glowing eyes, skinny]" -s 50 -S 2980747362 -W 512 -H 768 -C 5 '
            "-A k_lms -G 0.9 -cf 0.75 -U 4 0.95"
        },
        "InvokeAI",
        "a wolf, low contrast",
        "rendering, glowing eyes, skinny",
        "2980747362",
        settings={STEPS: 50, CFG: 5.0, "scheduler": "LMSDiscreteScheduler", **size(512, 768)},
        unread=("-G", "-cf", "-U"),
    ),
    "23 NovelAI": Case(
        {
            "Title": "AI generated image",
            "Description": "masterpiece, best quality,  cat, space, icon",
            "Software": "NovelAI",
            "Source": "Stable Diffusion 1D44365E",
            "Comment": '{"steps":50,"sampler":"k_euler_ancestral","seed":2253955223,"strength":0.4,"noise":0.0,'
            '"scale":10.0,"uc":"lowres, bad"}',
        },
        "NovelAI",
        "masterpiece, best quality,  cat, space, icon",
        "lowres, bad",
        "2253955223",
        settings={
            STEPS: 50,
            CFG: 10.0,
            "scheduler": "EulerAncestralDiscreteScheduler",
            "model": "Stable Diffusion 1D44365E",
        },
        unread=("strength", "noise"),
    ),
    "24 SwarmUI": Case(
        {
            "parameters": '{"sui_image_params":{"prompt":"The photograph depicts a duck","model":'
            '"Flux-svdq/transformer_blocks","seed":1301058440,"steps":30,"cfgscale":1.0,"aspectratio":"Custom","width":'
            '1216,"height":1536,"scheduler":"sgm_uniform","automaticvae":true,"loras":["flux/X_V1-000002"],'
            '"loraweights":["1.1"],"negativeprompt":"","swarm_version":"0.9.6.0"},"sui_extra_data":{"date":"2025-05-20"'
            ',"prep_time":"0.00 sec","generation_time":"34.08 sec"},"sui_models":[{"name":'
            '"Flux-svdq/transformer_blocks.safetensors","param":"model","hash":"0xaaee67f1"}]}'
        },
        "SwarmUI",
        "The photograph depicts a duck",
        seed="1301058440",
        settings={
            "model": "Flux-svdq/transformer_blocks",
            STEPS: 30,
            CFG: 1.0,
            "aspectratio": "Custom",
            "spacing": "sgm_uniform",
            "automaticvae": True,
            "lora": "flux/X_V1-000002",
            "lora_scale": 1.1,
            **size(1216, 1536),
        },
        unread=("swarm_version", "sui_extra_data", "sui_models"),
    ),
    "25 Midjourney": Case(
        {
            "Description": "a fox, warm color palette, fine art. --ar 3:4 --raw --stylize 0 --v 7 Job ID: " + JOB,
            "Author": "u1431619417",
            "Creation Time": "Thu, 11 Sep 2025 09:48:26 GMT",
        },
        "Midjourney",
        "a fox, warm color palette, fine art.",
        negative=None,
        settings={"aspect_ratio": "3:4", "raw": True, "stylize": 0, "version": "7"},
        job=JOB,
    ),
    "26 Midjourney's negative prompt": Case(
        {
            "Description": "a serene mountain landscape with snow --ar 16:9 --no trees, people --stylize 200 --chaos 10"
            " --v 6.1 Job ID: aaaabbbb-cccc-dddd-eeee-ffffaaaabbbb"
        },
        "Midjourney",
        "a serene mountain landscape with snow",
        "trees, people",
        settings={"aspect_ratio": "16:9", "stylize": 200, "chaos": 10, "version": "6.1"},
        job="aaaabbbb-cccc-dddd-eeee-ffffaaaabbbb",
    ),
    "27 Niji, without a job": Case(
        {"Description": "anime girl with cherry blossoms, studio ghibli style --ar 2:3 --niji 6 --stylize 200"},
        "Midjourney",
        "anime girl with cherry blossoms, studio ghibli style",
        negative=None,
        settings={"aspect_ratio": "2:3", "version": "niji 6", "stylize": 200},
    ),
    "29 hyphens are no flags": Case(
        {"Description": "a well-lit room --no close-up, mid-century --seed 42 --sref 3799554500 --sw 80 --v 7"},
        "Midjourney",
        "a well-lit room",
        "close-up, mid-century",
        "42",
        settings={"style_reference": "3799554500", "style_weight": 80, "version": "7"},
    ),
    "32 Fooocus": Case(
        {
            "parameters": '{"adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "juggernautXL_v8Rundiffusion", '
            '"base_model_hash": "aeb7e9e689", "clip_skip": 2, "full_prompt": ["a cat, cinematic", "more"], '
            '"guidance_scale": 4, "resolution": "(832, 1216)", "prompt": "a cat", "negative_prompt": "bad", '
            '"sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "seed": "1234", "steps": 30, '
            '"styles": "[\'Fooocus V2\']", "version": "Fooocus v2.5.5"}',
            "fooocus_scheme": "fooocus",
        },
        "Fooocus",
        "a cat",
        "bad",
        "1234",
        settings={
            "adm_guidance": "(1.5, 0.8, 0.3)",
            "model": "juggernautXL_v8Rundiffusion",
            "clip_skip": 1,
            CFG: 4.0,
            "scheduler": "dpmpp_2m_sde_gpu",
            "scheduler.use_karras_sigmas": True,
            STEPS: 30,
            "styles": "Fooocus V2",
            **size(832, 1216),
        },
    ),
}

NOT_MIDJOURNEYS = ("just a normal description without params", "vacation photo", "dash -- and more", "--v", "x --q 9")
