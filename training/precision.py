"""bfloat16 where this processor computes in it; elsewhere it is emulated, thirty times slower than float32."""

from functools import cache

import torch


@cache
def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("arm_bf16") or able.get("bf16"))


def quick() -> torch.autocast:
    """A context for forwards that may be computed in bfloat16."""
    return torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16())
