"""Student's t, central and not, chi and the range of normals, without NumPy: `plan` says at once what a design can see.

Only what power needs, on plain numbers. Agrees with SciPy to 1e-9 (tested); where arrays are at hand, SciPy is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

PANELS = 400  # Simpson's rule; the integrands are smooth: 1e-12 at 5 degrees of freedom, better above
FEW = 300  # degrees of freedom; beyond, the series in 1 / degrees is good to 1e-10 for p up to 1 - 1e-6
TAIL = 9.5  # standard deviations of s beyond which its density is below 1e-20
STEP = 0.1  # of the trapezoids and the table of the range; both are good to 1e-5
REACH = 80  # steps on each side of zero beyond which a normal has no density that counts: 8 standard deviations


def normal_cdf(x: float) -> float:
    """P(Z <= x)."""
    return 0.5 * math.erfc(-x / math.sqrt(2))


@lru_cache(maxsize=64)
def spread(degrees: int, panels: int = PANELS) -> tuple[tuple[float, float], ...]:
    """Nodes and weights of an integral over s, the sample SD in units of the true one.

    `sum(weight * g(s) for s, weight in spread(degrees))` is the mean of g(s).

    Args:
        degrees: of freedom.
        panels: of Simpson's rule, an even number; 60 are good to 1e-6 from 5 degrees of freedom on.

    Source:
        s**2 * degrees is chi-square distributed.
    """
    half = degrees / 2
    scale = math.log(2) + half * math.log(half) - math.lgamma(half)
    low = max(0.0, 1 - TAIL / math.sqrt(2 * degrees))
    high = 1 + (TAIL + 30 / degrees) / math.sqrt(2 * degrees)
    step = (high - low) / panels
    nodes = []
    for i in range(panels + 1):
        s = low + i * step
        log_density = scale + (degrees - 1) * math.log(s) - half * s * s if s > 0 else -math.inf
        density = math.exp(log_density) if s > 0 else float(degrees == 1) * math.exp(scale)
        nodes.append((s, density * step / 3 * (1 if i in (0, panels) else 4 if i % 2 else 2)))
    return tuple(nodes)


def noncentral_cdf(t: float, degrees: int, shift: float) -> float:
    """P(T <= t) for a t that lies `shift` standard errors off; to 1e-9 from 5 degrees of freedom on."""
    return sum(weight * normal_cdf(t * s - shift) for s, weight in spread(degrees))


def cdf(t: float, degrees: int) -> float:
    """P(T <= t), central.

    Source:
        Abramowitz and Stegun 26.7.3 and 26.7.4: a finite series for whole degrees of freedom.
    """
    angle = math.atan(t / math.sqrt(degrees))
    cosine2 = math.cos(angle) ** 2
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = term if degrees > 1 else 0.0
    for k in range(2 + odd, degrees - 1, 2):
        term *= cosine2 * (k - 1) / k
        total += term
    inside = math.sin(angle) * total
    return 0.5 + (angle + inside) / math.pi if odd else 0.5 + inside / 2


@lru_cache(maxsize=4096)
def quantile(p: float, degrees: int) -> float:
    """The t below which a share p lies, 0 < p < 1.

    Source:
        Beyond FEW degrees of freedom Abramowitz and Stegun 26.7.5: a series in 1 / degrees, so that a design of 100,000
        prompts costs no more than one of six (5 ms a probability by the finite series, thousands of them in a search).
    """
    if degrees > FEW:
        x = NormalDist().inv_cdf(p)
        square = x * x
        terms = (
            (square + 1) / 4,
            ((5 * square + 16) * square + 3) / 96,
            (((3 * square + 19) * square + 17) * square - 15) / 384,
            ((((79 * square + 776) * square + 1482) * square - 1920) * square - 945) / 92160,
        )
        return x * (1 + math.fsum(term / float(degrees) ** power for power, term in enumerate(terms, 1)))
    return root(lambda t: cdf(t, degrees) - p, -1e5, 1e5)


@lru_cache(maxsize=4096)
def spread_quantile(p: float, degrees: int) -> float:
    """The s (sample SD over true SD) below which a share p lies."""
    return math.sqrt(2 / degrees * root(lambda x: _lower_gamma(degrees / 2, x) - p, 0.0, 50.0 + 4 * degrees))


def _lower_gamma(a: float, x: float) -> float:
    """The regularised lower incomplete gamma function, by its series."""
    if x <= 0:
        return 0.0
    term = total = 1 / a
    n = a
    while term > total * 1e-17:
        n += 1
        term *= x / n
        total += term
    return min(1.0, total * math.exp(a * math.log(x) - x - math.lgamma(a)))


def root(rises: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function crosses zero between two places; the nearer place where it does not cross.

    Source:
        Chandrupatla 1997: inverse quadratic interpolation where three points allow it, bisection elsewhere. A dozen
        values of a smooth function do what bisection does with 60; `plan` and each report ask for hundreds of roots.
    """
    a, b, fa, fb = low, high, rises(low), rises(high)
    if fa >= 0 or fb <= 0:
        return low if fa >= 0 else high
    share = 0.5
    while True:
        x = a + share * (b - a)
        fx = rises(x)
        if (fx < 0) == (fa < 0):
            c, fc = a, fa
        else:
            b, c, fb, fc = a, b, fa, fb
        a, fa = x, fx
        best, value = (a, fa) if abs(fa) < abs(fb) else (b, fb)
        least = 1e-14 * max(1.0, abs(best)) / abs(b - a)
        if value == 0 or least > 0.5:
            return best
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        if phi * phi < xi and (1 - phi) ** 2 < 1 - xi:
            share = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        else:
            share = 0.5
        share = min(1 - least, max(least, share))


def range_cdf(width: float, count: int) -> float:
    """The chance that the largest of so many standard normals lies at most `width` above the smallest.

    >>> round(range_cdf(math.sqrt(2) * 1.96, 2), 3)
    0.95
    """
    place = width / STEP
    if place <= 0:
        return 0.0
    first = min(int(place) - 1, 2 * REACH - 3) if place > 1 else 0
    if place >= 2 * REACH:
        return 1.0
    a, b, c, d = _range_table(count)[first : first + 4]
    t = place - first  # the cubic through four neighbours
    return (
        a * (1 - t) * (2 - t) * (3 - t) / 6
        + b * t * (2 - t) * (3 - t) / 2
        - c * t * (1 - t) * (3 - t) / 2
        + d * t * (1 - t) * (2 - t) / 6
    )


@lru_cache(maxsize=16)
def _range_table(count: int) -> tuple[float, ...]:
    """`range_cdf` at multiples of STEP.

    Source:
        The smallest lies at x and all others above it by no more than the width w, so that the chance is
        count ∫ φ(x) (Φ(x + w) − Φ(x))^(count − 1) dx.
    """
    below = [normal_cdf(i * STEP) for i in range(-REACH, 3 * REACH + 1)]
    density = [math.exp(-((i * STEP) ** 2) / 2) / math.sqrt(2 * math.pi) for i in range(-REACH, REACH + 1)]
    return tuple(
        count * STEP * math.fsum(f * (below[i + w] - below[i]) ** (count - 1) for i, f in enumerate(density))
        for w in range(2 * REACH + 1)
    )
