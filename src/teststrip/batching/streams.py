"""The random numbers that a call does not draw from its own generator.

A pipeline draws its starting noise from the generator of its call. A scheduler that is given no generator draws from
the global one; no pipeline of flow matching gives it one. Were both seeded alike, the first noise of such a scheduler
would be the starting noise again. So each call sees a global generator with a seed derived from the call's own.

Knows seeds and PyTorch's global generators, of the CPU and of a CUDA device; nothing of pipelines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def global_seed(seed: int) -> int:
    """The seed of the global generator for a call whose own generator has this seed.

    PyTorch's generator on the CPU reads the last 32 bits of a seed, so the two differ in those.

    >>> global_seed(0), global_seed(1)
    (803508901, 1286523167)
    """
    derived = int.from_bytes(hashlib.sha256(f"global {seed}".encode()).digest()[:4], "big")
    return derived if derived != seed % 2**32 else derived ^ 1


class GlobalStream:
    """The global generators as one call sees them, however often the call pauses.

    Args:
        seed: of the call's own generator.
        device: on which the call computes; its global generator counts too where it is a CUDA device.
    """

    def __init__(self, seed: int, device: torch.device | None = None) -> None:
        self._cuda = device if device is not None and device.type == "cuda" else None
        devices = [torch.device("cpu"), *([self._cuda] if self._cuda is not None else [])]
        self._states = [torch.Generator(one).manual_seed(global_seed(seed)).get_state() for one in devices]

    @contextmanager
    def current(self) -> Iterator[None]:
        """Within it the global generators go on where this call left them; afterwards they are as they were before."""
        before = self._read()
        self._write(self._states)
        try:
            yield
        finally:
            self._states = self._read()
            self._write(before)

    def _read(self) -> list[torch.Tensor]:
        cpu = torch.get_rng_state()
        return [cpu] if self._cuda is None else [cpu, torch.cuda.get_rng_state(self._cuda)]

    def _write(self, states: list[torch.Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self._cuda is not None:
            torch.cuda.set_rng_state(states[1], self._cuda)
