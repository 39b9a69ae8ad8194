"""What the field calls settings and samplers, how people say them, and what a name tells of a sampler or a model.

Inside there is one spelling, that of Diffusers. Other spellings are translated here: on the way in (a study file, an
imported picture) and on the way out (a picture's `parameters`, a sentence, a page). Knows words only: no engine, no
file, no statistics; imports nothing of this package.

To add a name: one line in the table it belongs to. A sampler of Diffusers that is missing from `NOISY` fails
tests/test_vocabulary.py, which steps each scheduler class twice and compares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

STEPS: Final = "num_inference_steps"

SYNONYMS: Final[Mapping[str, str]] = {
    "cfg": "guidance_scale",
    "cfg_scale": "guidance_scale",
    "steps": "num_inference_steps",
    "sampler": "scheduler",
}
"""The well-known names of other tools for settings; translated at the border of a study file."""

PARAMETERS: Final[Mapping[str, str]] = {
    "num_inference_steps": "Steps",
    "scheduler": "Sampler",
    "guidance_scale": "CFG scale",
    "seed": "Seed",
    "model": "Model",
    "eta": "Eta",
    "clip_skip": "Clip skip",
}
"""What A1111 and its readers call a setting, in the order in which A1111 writes them."""

SAMPLERS: Final[Mapping[str, str]] = {
    "DDIMScheduler": "DDIM",
    "DPMSolverMultistepScheduler": "DPM++ 2M",
    "DPMSolverSDEScheduler": "DPM++ SDE",
    "DPMSolverSinglestepScheduler": "DPM++ 2S",
    "EulerAncestralDiscreteScheduler": "Euler a",
    "EulerDiscreteScheduler": "Euler",
    "HeunDiscreteScheduler": "Heun",
    "KDPM2AncestralDiscreteScheduler": "DPM2 a",
    "KDPM2DiscreteScheduler": "DPM2",
    "LCMScheduler": "LCM",
    "LMSDiscreteScheduler": "LMS",
    "PNDMScheduler": "PLMS",
    "UniPCMultistepScheduler": "UniPC",
}
"""What A1111 and its readers call the scheduler classes of Diffusers; any other goes by its class name."""

SPOKEN: Final[Mapping[str, str]] = {
    "guidance_scale": "guidance",
    "num_inference_steps": "steps",
    "clip_score": "CLIP score",
    "pick_score": "PickScore",
    "vqa_score": "VQA score",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "changed": "share of changed pixels",
    "level": "largest difference",
    "features": "distance of features",
}
"""How people say the names of settings and scores that are not words."""

UNEQUAL_CALLS: Final = frozenset(
    {"engine", "model", "revision", "variant", "width", "height", "resolution", "size", "num_frames"}
)
"""Settings that change what a denoiser call costs: where one is studied, calls cannot be compared, seconds can."""

NOISY: Final = (
    "ancestral",  # Euler, DPM2, DPM++ 2S and LTX's Euler; as web UIs say it, "Euler a", "k_dpm_2_a":
    r"[ _]a(?![^ _])",
    "sde",  # DPM++ SDE, 2M SDE and 3M SDE, ScoreSdeVe, ER-SDE
    "ddpm",
    "lcm",
    "scm",
    "tcd",
    "unclip",
    "repaint",
    "restart",
    "stochastic",  # CMStochasticIterativeScheduler
    "karrasve",
    "cosinedpm",
    "cogvideoxdpm",
    "sa[ _]?solver",
    "seeds_[23]",
    "consistencydecoder",
    "rfd4proteina",
)
"""Patterns of the names of samplers that draw fresh noise at each step by default, in any spelling and case."""

NOISY_BY_ETA: Final = ("ddim", "tcd")
"""Patterns of the names of samplers that draw fresh noise where `eta` is above 0; all others ignore it."""

FEW_STEPS: Final = (
    *("turbo", "lightning", "schnell", "lcm", "latent.?consistency", "instaflow", "sdxs", "tcd", "pcm", "dmd"),
    r"hyper(?!.?real)",  # Hyper-SD, Hyper-FLUX; but not the many models that are called hyper-realistic
    *("flash.?(sd|pixart|diffusion)", "sana.?sprint", "klein", "distill", "lightx2v", r"(?<![0-9])[1-9][-_ ]?step"),
)
"""Patterns of the names of models, LoRAs and samplers that are made for few steps and little or no guidance."""

HIGH_GUIDANCE: Final = ("flux", "kontext", r"\bfill\b", "hunyuan.?video")
"""Patterns of the names of models that read guidance as a number instead of following it twice: 30 may be right."""

_NOISY, _NOISY_BY_ETA, _FEW_STEPS, _HIGH_GUIDANCE = (
    re.compile("|".join(names), re.IGNORECASE) for names in (NOISY, NOISY_BY_ETA, FEW_STEPS, HIGH_GUIDANCE)
)


def spoken(name: str) -> str:
    """The name of a setting or a score as people say it.

    >>> spoken("guidance_scale"), spoken("my_metric")
    ('guidance', 'my metric')
    """
    return SPOKEN.get(name, name.replace("_", " "))


def sampler(scheduler: str) -> str:
    """What A1111 and its readers call a scheduler class.

    >>> sampler("EulerAncestralDiscreteScheduler"), sampler("DEISMultistepScheduler")
    ('Euler a', 'DEISMultistep')
    """
    return SAMPLERS.get(scheduler, scheduler.removesuffix("Scheduler"))


def noise(settings: Mapping[str, object], facts: Mapping[str, object] | None = None) -> str:
    """The sampler that draws fresh noise at each step of a picture, and why where its name alone does not say so.

    With such a sampler more steps make another picture, not a better copy of the same.

    Args:
        settings: what was asked: `scheduler` or `sampler`, `eta`, `algorithm_type`.
        facts: what the engine said of the picture: `scheduler`, the class that a model brought along; `sampler_noise`,
            whether the configuration makes it draw noise.

    Returns:
        "" when nothing says that noise is drawn.

    >>> noise({"scheduler": "EulerAncestralDiscreteScheduler"}), noise({"scheduler": "DDIMScheduler", "eta": 0.0})
    ('EulerAncestralDiscreteScheduler', '')
    >>> noise({}, {"scheduler": "DPMSolverMultistepScheduler", "sampler_noise": True})
    'DPMSolverMultistepScheduler (as it is configured)'
    """
    facts = facts or {}
    name = str(settings.get("scheduler") or settings.get("sampler") or facts.get("scheduler") or "")
    kind, eta = str(settings.get("algorithm_type") or ""), settings.get("eta") or 0.0
    if _NOISY.search(name):
        return name
    if "sde" in kind:
        return f"{name} ({kind})"
    if isinstance(eta, int | float) and eta > 0 and _NOISY_BY_ETA.search(name):
        return f"{name} (eta {eta:g})"
    return f"{name or 'the sampler'} (as it is configured)" if facts.get("sampler_noise") else ""


def made_for_few_steps(name: str) -> bool:
    """Whether a model, a LoRA or a sampler of this name gives its best pictures with few steps.

    >>> made_for_few_steps("stabilityai/sdxl-turbo"), made_for_few_steps("stabilityai/stable-diffusion-xl-base-1.0")
    (True, False)
    """
    return bool(_FEW_STEPS.search(name))


def made_for_high_guidance(name: str) -> bool:
    """Whether a guidance of 30 may be right for a model of this name, or guidance does nothing there.

    >>> made_for_high_guidance("black-forest-labs/FLUX.1-Fill-dev"), made_for_high_guidance("emoji")
    (True, False)
    """
    return bool(_HIGH_GUIDANCE.search(name)) or made_for_few_steps(name)
