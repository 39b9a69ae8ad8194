"""What the field calls settings and samplers, how people say them, and what a name tells of a sampler or a model.

Inside there is one spelling, that of Diffusers. Other spellings are translated here: on the way in (a study file, an
imported picture) and on the way out (a picture's `parameters`, a sentence, a page). Knows words only: no engine, no
file, no statistics; imports nothing of this package.

To add a name: one line in the table it belongs to. A sampler of Diffusers that is missing from `NOISY` fails
tests/test_vocabulary.py, which steps each scheduler class twice and compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

STEPS: Final = "num_inference_steps"
SCHEDULER: Final = "scheduler"
GUIDER: Final = "guider"

SYNONYMS: Final[Mapping[str, str]] = {
    "cfg": "guidance_scale",
    "cfg_scale": "guidance_scale",
    "cfgscale": "guidance_scale",
    "distilled_cfg_scale": "guidance_scale",
    "distilled_guidance": "guidance_scale",
    "fluxguidance": "guidance_scale",
    "steps": "num_inference_steps",
    "sampling_steps": "num_inference_steps",
    "num_steps": "num_inference_steps",
    "sampler": "scheduler",
    "sampler_name": "scheduler",
    "sampling_method": "scheduler",
    "schedule_type": "scheduler",
    "negative": "negative_prompt",
    "negativeprompt": "negative_prompt",
    "neg_prompt": "negative_prompt",
    "lora_weight": "lora_scale",
    "lora_strength": "lora_scale",
    "strength_model": "lora_scale",
    "denoise": "strength",
    "denoising_strength": "strength",
    "checkpoint": "model",
    "ckpt_name": "model",
    "sd_model_checkpoint": "model",
}
"""The well-known names of other tools for settings; translated at the border of a study file."""

FOREIGN: Final[Mapping[str, str]] = {
    "clip_skip": "A1111 counts the last layer as 1, Diffusers as 0: its Clip skip 2 is clip_skip = 1 here",
    "clipskip": "A1111 counts the last layer as 1, Diffusers as 0: its Clip skip 2 is clip_skip = 1 here",
    "clip_stop_at_last_layers": "A1111 counts the last layer as 1, Diffusers as 0: its 2 is clip_skip = 1 here",
    "stop_at_clip_layer": "ComfyUI counts from the end: its -1 is clip_skip = 0 here, its -2 is clip_skip = 1",
    "batch_size": "more images of a prompt are replicates = 4, at the top; how many are computed at once is found",
    "batch_count": "more images of a prompt are replicates = 4, at the top",
    "n_iter": "more images of a prompt are replicates = 4, at the top",
    "num_images_per_prompt": "more images of a prompt are replicates = 4, at the top",
    "timesteps": 'a list has a name here: write [schedules.mine] timesteps = [...] and schedule = "mine"',
    "sigmas": 'a list has a name here: write [schedules.mine] sigmas = [...] and schedule = "mine"',
    "hires_fix": "a second pass at a larger size is not made here: write the size itself as width and height",
    "enable_hr": "a second pass at a larger size is not made here: write the size itself as width and height",
    "hires_upscale": "a second pass at a larger size is not made here: write the size itself as width and height",
    "hires_steps": "a second pass at a larger size is not made here: write the size itself as width and height",
    "hires_upscaler": "a second pass at a larger size is not made here: write the size itself as width and height",
    "hr_scale": "a second pass at a larger size is not made here: write the size itself as width and height",
    "hr_upscaler": "a second pass at a larger size is not made here: write the size itself as width and height",
    "restore_faces": "faces are not painted over here, so that settings are compared and not what mends them",
    "size": "write width and height",
    "aspect_ratio": "write width and height",
    "ar": "write width and height",
    "ensd": "seeds are the replicates of the design, and noise is drawn as Diffusers draws it",
    "eta_noise_seed_delta": "seeds are the replicates of the design, and noise is drawn as Diffusers draws it",
    "subseed": "seeds are the replicates of the design",
    "variation_seed": "seeds are the replicates of the design",
    "noise_seed": "seeds are the replicates of the design",
    "stylize": "it is Midjourney's own and means nothing to a model of Diffusers",
    "chaos": "it is Midjourney's own: replicates show how far seeds scatter",
}
"""Settings of other tools that are none here, in small letters with underscores, and what to write in their place."""

KARRAS: Final[Mapping[str, object]] = {"use_karras_sigmas": True}
SDE: Final[Mapping[str, object]] = {"algorithm_type": "sde-dpmsolver++"}

SAMPLER_NAMES: Final[Mapping[str, tuple[str, Mapping[str, object]]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "dpm_2": ("KDPM2DiscreteScheduler", {}),
    "dpm_2_ancestral": ("KDPM2AncestralDiscreteScheduler", {}),
    "dpm2": ("KDPM2DiscreteScheduler", {}),
    "dpm2_a": ("KDPM2AncestralDiscreteScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
    "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", SDE),
    "dpmpp_2s": ("DPMSolverSinglestepScheduler", {}),
    "dpmpp_3m": ("DPMSolverMultistepScheduler", {"solver_order": 3}),
    "dpmpp_3m_sde": ("DPMSolverMultistepScheduler", {**SDE, "solver_order": 3}),
    "dpmpp_sde": ("DPMSolverSDEScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "euler_ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "ipndm": ("IPNDMScheduler", {}),
    "kdpm_2": ("KDPM2DiscreteScheduler", {}),
    "kdpm_2_a": ("KDPM2AncestralDiscreteScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "plms": ("PNDMScheduler", {}),
    "pndm": ("PNDMScheduler", {}),
    "sa_solver": ("SASolverScheduler", {}),
    "tcd": ("TCDScheduler", {}),
    "uni_pc": ("UniPCMultistepScheduler", {}),
    "uni_pc_bh2": ("UniPCMultistepScheduler", {"solver_type": "bh2"}),
    "unipc": ("UniPCMultistepScheduler", {}),
}
"""Samplers of A1111, Forge, ComfyUI, SwarmUI and InvokeAI, in small letters: the class of Diffusers and its options.

Source: the table of samplers in the documentation of Diffusers.
"""

SPACINGS: Final[Mapping[str, Mapping[str, object]]] = {
    "automatic": {},
    "normal": {},
    "uniform": {},
    "karras": KARRAS,
    "k": KARRAS,  # InvokeAI's ending: dpmpp_2m_k
    "exponential": {"use_exponential_sigmas": True},
    "beta": {"use_beta_sigmas": True},
    "sgm_uniform": {"timestep_spacing": "trailing"},
    "simple": {"timestep_spacing": "trailing"},
    "ddim_uniform": {"timestep_spacing": "leading"},
}
"""How other tools space the steps of a sampler, and what does so in a scheduler's configuration."""

NO_SAMPLERS: Final[frozenset[str]] = frozenset(
    {
        *("dpm_fast", "dpm_adaptive", "restart", "dpmpp_2s_a", "dpmpp_2s_ancestral", "dpmpp_2m_sde_heun"),
        *("dpmpp_2m_alt", "ddim_cfg++", "euler_cfg_pp", "euler_ancestral_cfg_pp", "res_multistep", "er_sde"),
        *("dpmpp_2m_cfg_pp", "gradient_estimation", "heunpp2", "ipndm_v", "seeds_2", "seeds_3", "flux_realistic"),
        *("dpmpp_sde_gpu", "dpmpp_2m_sde_gpu", "dpmpp_3m_sde_gpu", "euler_max", "euler_smea", "euler_dy"),
        *("polyexponential", "kl_optimal", "align_your_steps", "turbo", "linear_quadratic", "ays", "gits"),
    }
)
"""Samplers and spacings of other tools for which Diffusers has no class and no option."""

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

OWN_STEPS: Final = "own"
"""The word for the model's own times among the levels of an axis `schedule`."""

STEP_LIST: Final = re.compile(r"(timesteps|sigmas)( \d+(\.\d+)?(e-?\d+)?){1,1000}")

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


def plainly(name: str) -> str:
    """A name as tables of this file spell it: small letters, underscores, DPM++ as dpmpp; one beyond ASCII as it is.

    >>> plainly("CFG scale"), plainly("DPM++ 2M Karras")
    ('cfg_scale', 'dpmpp_2m_karras')
    """
    return re.sub(r"[ -]+", "_", name.strip(" ").lower().replace("dpm++", "dpmpp")) if name.isascii() else name


def sampler_named(name: str) -> tuple[str, Mapping[str, object]] | None:
    """The scheduler class and its options that another tool's name of a sampler stands for; None = it is no such name.

    The class is "" where the name is known and Diffusers has no such sampler, or where it only spaces steps.

    >>> sampler_named("Euler a"), sampler_named("DPM++ 2M Karras")
    (('EulerAncestralDiscreteScheduler', {}), ('DPMSolverMultistepScheduler', {'use_karras_sigmas': True}))
    >>> sampler_named("DPM fast"), sampler_named("EulerDiscreteScheduler")
    (('', {}), None)
    """
    plain = plainly(name).removeprefix("k_").removeprefix("sample_")
    if plain in SAMPLER_NAMES:
        return SAMPLER_NAMES[plain]
    if plain in NO_SAMPLERS:
        return "", {}
    if plain in SPACINGS:
        return "", SPACINGS[plain]
    for spacing, options in SPACINGS.items():
        first = plain.removesuffix(f"_{spacing}")
        if first != plain and (found := sampler_named(first)):
            return found[0], {**found[1], **options} if found[0] else {}
    return None


def spacing_named(name: str) -> Mapping[str, object] | None:
    """The options that another tool's name of a spacing stands for: {} = as the class does; None = it is no such name.

    >>> spacing_named("Karras"), spacing_named("normal"), spacing_named("Euler")
    ({'use_karras_sigmas': True}, {}, None)
    """
    return SPACINGS.get(plainly(name))


def options_written(options: Mapping[str, object]) -> str:
    """Options of a scheduler as a study file writes them.

    >>> options_written({"shift": 3.0, "use_karras_sigmas": True, "algorithm_type": "sde-dpmsolver++"})
    'scheduler.shift = 3, scheduler.use_karras_sigmas = true, scheduler.algorithm_type = "sde-dpmsolver++"'
    """
    return ", ".join(f"{SCHEDULER}.{name} = {_in_toml(value)}" for name, value in options.items())


def _in_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else f'"{value}"' if isinstance(value, str) else str(value)


def steps_written(argument: str, values: Iterable[float]) -> str:
    """A list of times or noise levels as one word of a shot, so that its numbers are a part of what was asked.

    >>> steps_written("timesteps", [999, 500.5, 24])
    'timesteps 999 500.5 24'
    """
    return " ".join((argument, *(str(int(value)) if float(value).is_integer() else repr(value) for value in values)))


def steps_read(word: str) -> tuple[str, tuple[float, ...]] | None:
    """The argument, "timesteps" or "sigmas", and the numbers of such a word; None = it is no such word.

    >>> steps_read("sigmas 14.6 0"), steps_read("ays")
    (('sigmas', (14.6, 0)), None)
    """
    if not STEP_LIST.fullmatch(word):
        return None
    argument, *numbers = word.split(" ")
    return argument, tuple(int(number) if number.isdigit() else float(number) for number in numbers)


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
        settings: what was asked: `scheduler` or `sampler`, `eta`, `scheduler.algorithm_type` or `algorithm_type`.
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
    kind = str(settings.get(f"{SCHEDULER}.algorithm_type") or settings.get("algorithm_type") or "")
    eta = settings.get("eta") or 0.0
    if _NOISY.search(name):
        return name
    if "sde" in kind:
        return f"{name or 'the sampler'} ({kind})"
    if settings.get(f"{SCHEDULER}.stochastic_sampling") is True:
        return f"{name or 'the sampler'} (stochastic_sampling)"
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
