"""How much the pictures of one caption differ: sizes, places, turns, tones, backgrounds that no caption names.

The first training was narrow, so that objects emerged within the budget; its weakness was that six seeds of a prompt
were nearly one picture. The further stage goes on from there with wide pictures.
"""

import colorsys
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True, slots=True)
class Variety:
    """Attributes: all in shares of the picture's side, but turns (degrees) and hues (of a full circle).

    least_single: the smallest size of a single object; usual_single: the most frequent one.
    turn: of a single object, either way. spread: factor on the places' small jitters.
    pair_sizes: of two objects side by side. hue, brightness: how far an object's own colours are shifted.
    white_share: of pictures without a scene; tone_share: of those that are white by that, the share that gets a soft
    tone all the same, which no caption names.
    """

    least_single: float
    usual_single: float
    turn: float
    spread: float
    pair_sizes: tuple[float, float]
    hue: float
    brightness: float
    white_share: float
    tone_share: float


NARROW = Variety(0.7, 0.94, 5, 1, (0.46, 0.52), 0.025, 0.08, 0.7, 0)
WIDE = Variety(0.6, 0.88, 10, 2.5, (0.4, 0.54), 0.04, 0.12, 0.7, 0.5)
VARIETIES = {"narrow": NARROW, "wide": WIDE}


def soft_tone(side: int, r: random.Random) -> Image.Image:
    """A background of a soft tone that grows lighter towards one edge."""
    hue, strength = r.random(), r.uniform(0.08, 0.36)
    colour = np.array(colorsys.hsv_to_rgb(hue, strength, r.uniform(0.84, 1.0)))
    y, x = np.mgrid[0:side, 0:side] / (side - 1)
    across, down = r.uniform(-1, 1), r.uniform(-1, 1)
    light = (np.clip(0.5 + across * (x - 0.5) + down * (y - 0.5), 0, 1) * r.uniform(0, 0.7))[..., None]
    return Image.fromarray(((colour + (1 - colour) * light) * 255).astype(np.uint8))
