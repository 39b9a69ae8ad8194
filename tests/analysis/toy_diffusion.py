"""A diffusion model whose truth is known: mixtures of Gaussians in two dimensions, with exact scores.

The noise of a mixture is a mixture, so the perfect denoiser is a formula and every sampler can be held against it.
A "prompt" is a class: a few of the mixture's components. A "seed" is the starting noise. An imperfect model is the
perfect one of a world seen blurred: each class leaks into the others and its components are too wide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIGMA_MAX, SIGMA_MIN = 20.0, 0.02


@dataclass(frozen=True)
class World:
    """Components of a mixture: centres [K, 2], one width, weights [K]."""

    centres: Array
    width: float
    weights: Array

    def denoised(self, x: Array, sigma: float) -> Array:
        """The mean of what x [N, 2] was before noise of SD sigma was added: the perfect model."""
        variance = self.width**2 + sigma**2
        offset = x[:, None, :] - self.centres  # [N, K, 2]
        with np.errstate(divide="ignore"):
            log = np.log(self.weights) - 0.5 * (offset**2).sum(axis=-1) / variance
        share = np.exp(log - log.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        centre = share @ self.centres
        return centre + (self.width**2 / variance) * (x - centre)

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """True samples [count, 2]."""
        chosen = rng.choice(len(self.weights), size=count, p=self.weights)
        return self.centres[chosen] + self.width * rng.standard_normal((count, 2))

    def moments(self) -> tuple[Array, Array]:
        """The true mean [2] and covariance [2, 2]."""
        mean = self.weights @ self.centres
        spread = (self.centres - mean).T @ ((self.centres - mean) * self.weights[:, None])
        return mean, spread + self.width**2 * np.eye(2)


def everything(classes: int = 6, parts: int = 3, *, seed: int = 1) -> tuple[World, list[World]]:
    """The whole world and each class of it."""
    rng = np.random.default_rng(seed)
    angles = 2 * np.pi * np.arange(classes) / classes
    homes = 2.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    centres = (homes[:, None, :] + 0.8 * rng.standard_normal((classes, parts, 2))).reshape(-1, 2)
    share = np.full(classes * parts, 1 / (classes * parts))
    whole = World(centres, 0.25, share)
    each = []
    for k in range(classes):
        own = np.zeros(classes * parts)
        own[k * parts : (k + 1) * parts] = 1 / parts
        each.append(replace(whole, weights=own))
    return whole, each


def blurred(whole: World, one: World, *, leak: float = 0.2, widening: float = 1.3) -> World:
    """What an imperfect model has learnt of a class: some of everything else, and all of it too wide."""
    return World(one.centres, one.width * widening, (1 - leak) * one.weights + leak * whole.weights)


@dataclass(frozen=True)
class Model:
    """A conditional and an unconditional denoiser, guided as pictures are: past the conditional one by `guidance`."""

    conditional: World
    unconditional: World
    guidance: float = 1.0

    def denoised(self, x: Array, sigma: float) -> Array:
        """Guidance 1 is none: the conditional model alone."""
        inner = self.conditional.denoised(x, sigma)
        if self.guidance == 1.0:
            return inner
        outer = self.unconditional.denoised(x, sigma)
        return outer + self.guidance * (inner - outer)


def levels(steps: int) -> Array:
    """Noise levels [steps + 1] from SIGMA_MAX down to SIGMA_MIN, evenly in the logarithm."""
    return np.geomspace(SIGMA_MAX, SIGMA_MIN, steps + 1)


def start(seeds: NDArray[np.int64] | range) -> Array:
    """Starting noise [N, 2], one seed a picture."""
    return SIGMA_MAX * np.stack([np.random.default_rng(int(seed)).standard_normal(2) for seed in seeds])


def ddim(model: Model, x: Array, steps: int) -> Array:
    """DDIM without churn: Euler's rule on the probability-flow ODE, first order."""
    for high, low in zip(*_pairs(steps), strict=True):
        clean = model.denoised(x, high)
        x = clean + (low / high) * (x - clean)
    return x


def dpm_2m(model: Model, x: Array, steps: int) -> Array:
    """DPM-Solver++ (2M): a multistep rule in the logarithm of sigma, second order."""
    before, gap_before = None, 0.0
    for high, low in zip(*_pairs(steps), strict=True):
        clean, gap = model.denoised(x, high), np.log(high / low)
        aim = clean if before is None else clean + (gap / gap_before / 2) * (clean - before)
        x = (low / high) * x + (1 - low / high) * aim
        before, gap_before = clean, gap
    return x


def ancestral(model: Model, x: Array, steps: int, rng: np.random.Generator) -> Array:
    """Euler ancestral: fresh noise at each step."""
    for high, low in zip(*_pairs(steps), strict=True):
        clean = model.denoised(x, high)
        up = min(low, np.sqrt(low**2 * (high**2 - low**2) / high**2))
        down = np.sqrt(low**2 - up**2)
        x = clean + (down / high) * (x - clean) + up * rng.standard_normal(x.shape)
    return x


def _pairs(steps: int) -> tuple[Array, Array]:
    sigma = levels(steps)
    return sigma[:-1], sigma[1:]


def frechet(samples: Array, truth: World) -> float:
    """Fréchet distance of samples [N, 2] to a world's true moments: FID's formula without the network."""
    mean, covariance = truth.moments()
    own = np.cov(samples.T)
    values = np.linalg.eigvals(own @ covariance)
    cross = np.sqrt(np.maximum(values.real, 0)).sum()
    return float(((samples.mean(axis=0) - mean) ** 2).sum() + np.trace(own) + np.trace(covariance) - 2 * cross)
