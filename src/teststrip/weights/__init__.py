"""Models on this disk: found, hashed once, loaded whole or not at all, asked for features.

    encoder    pictures and texts into vectors, with a model of transformers
    loading    models of transformers: found, checked, loaded
    hub        the Hugging Face Hub: what may be fetched, and what can go wrong
    places     where a model's name leads
    digests    SHA-256 of files, remembered

The loaders of Diffusers' pipelines are in `diffusion`, and use the last three.
"""

from teststrip.weights.encoder import Chosen
from teststrip.weights.loading import Weights, find, load, read

__all__ = ["Chosen", "Weights", "find", "load", "read"]
