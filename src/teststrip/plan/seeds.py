"""The seeds of a prompt: equal in all cells, different for each prompt and replicate. Knows only a prompt's text."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence

SALT = "teststrip/1"
"""Part of every seed. With another salt every study draws other pictures."""


def seeds_of(text: str, replicates: int) -> Sequence[int]:
    """The seeds of a prompt, all different: 32 bits of SHA-256 of salt, prompt text as written, and replicate.

    A seed that an earlier replicate has is drawn again. The seeds depend on nothing else in the study, so adding
    prompts, cells or replicates changes no seed.
    """
    seeds, seen = array("Q"), set()
    stem = hashlib.sha256(f"{SALT}\0{text}\0".encode("utf-8", "surrogatepass"))
    for replicate in range(replicates):
        again = 0
        while True:
            state = stem.copy()
            state.update(f"{replicate}.{again}".encode() if again else str(replicate).encode())
            seed = int.from_bytes(state.digest()[:4], "big")
            if seed not in seen:
                break
            again += 1
        seen.add(seed)
        seeds.append(seed)
    return seeds
