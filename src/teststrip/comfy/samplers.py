"""ComfyUI's samplers and spacings, and what other tools' names of samplers are called there.

Source: `comfy/samplers.py` of ComfyUI 0.3.64. Custom nodes add others, so a name that is not here may be a server's.
"""

from __future__ import annotations

from typing import Final

from teststrip.vocabulary import SAMPLER_NAMES, plainly

SAMPLERS: Final = (
    *("euler", "euler_cfg_pp", "euler_ancestral", "euler_ancestral_cfg_pp", "heun", "heunpp2", "dpm_2"),
    *("dpm_2_ancestral", "lms", "dpm_fast", "dpm_adaptive", "dpmpp_2s_ancestral", "dpmpp_2s_ancestral_cfg_pp"),
    *("dpmpp_sde", "dpmpp_sde_gpu", "dpmpp_2m", "dpmpp_2m_cfg_pp", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu"),
    *("dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu", "dpmpp_3m_sde", "dpmpp_3m_sde_gpu", "ddpm", "lcm", "ipndm"),
    *("ipndm_v", "deis", "res_multistep", "res_multistep_cfg_pp", "res_multistep_ancestral"),
    *("res_multistep_ancestral_cfg_pp", "gradient_estimation", "gradient_estimation_cfg_pp", "er_sde", "seeds_2"),
    *("seeds_3", "sa_solver", "sa_solver_pece", "ddim", "uni_pc", "uni_pc_bh2"),
)
SPACINGS: Final = (
    *("simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal", "linear_quadratic"),
    "kl_optimal",
)


def meant(name: str) -> str:
    """What to write for a name of another tool, or for a spacing; "" where the name is none that is known.

    >>> meant("DPM++ 2M Karras"), meant("Euler a"), meant("karras"), meant("res_2m")
    ('scheduler = "dpmpp_2m" and spacing = "karras"', 'scheduler = "euler_ancestral"', 'spacing = "karras"', '')
    """
    plain = plainly(name)
    if plain in SPACINGS:
        return f'spacing = "{plain}"'
    if sampler := _sampler(plain):
        return f'scheduler = "{sampler}"'
    for spacing in SPACINGS:
        first = plain.removesuffix(f"_{spacing}")
        if first != plain and (sampler := _sampler(first)):
            return f'scheduler = "{sampler}" and spacing = "{spacing}"'
    return ""


def _sampler(plain: str) -> str:
    """ComfyUI's sampler of that name, or of the same scheduler of Diffusers; "" = none."""
    if plain in SAMPLERS:
        return plain
    alike = SAMPLER_NAMES.get(plain)
    return next((one for one in SAMPLERS if alike and SAMPLER_NAMES.get(one) == alike), "")
