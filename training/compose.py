"""Makes one training picture with its captions: objects put together, coloured, and painted in a style.

Knows sprites, words and what is held out; nothing of files, tensors or training.
To add a layout, add a method `_name` that fills a `_Canvas` and returns what it says, and its share in LAYOUTS.
"""

import math
import random
import re
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from training.held_out import Combination, HeldOut, pair
from training.sprites import HANDS
from training.variety import NARROW, Variety, soft_tone
from training.words import (
    BACKGROUNDS,
    BOAT_COLOURS,
    COLOURS,
    FILLERS,
    PEOPLE,
    SCENES,
    TEMPLATES,
    THINGS,
    with_article,
)  # fmt: skip

# share of each layout; "demo" objects are drawn more often so that the five demo prompts are learnt well
LAYOUTS = {"single": 54, "two": 14, "boat": 4, "boat_for_two": 6, "scene": 9, "blood": 4, "portrait": 3, "kiss": 6}
WEIGHTS = {"rose": 3, "car": 3, "detective": 4, "astronaut": 3, "owl": 3, "cat": 3, "flower": 2, "boat": 2}
COMPOSITIONS = {"two", "boat_for_two", "scene", "boat", "kiss"}  # layouts of two things: "compositions"
FLUENT_SHARE = 0.65
NAMED_HAND = {"fluent": ("a 3d render of {}", "{}, 3d render"), "noto": ("a flat drawing of {}", "{}, flat drawing")}


class Picture(NamedTuple):
    """What was made: the picture, captions that are all true of it, its layout and what it combines."""

    image: Image.Image
    captions: list[str]
    layout: str
    combinations: frozenset[Combination]


@dataclass
class _Canvas:
    side: int
    front: Image.Image = field(init=False)
    back: Image.Image = field(init=False)

    def __post_init__(self) -> None:
        self.front = Image.new("RGBA", (self.side, self.side))
        self.back = Image.new("RGB", (self.side, self.side), "white")

    def put(self, sprite: Image.Image, x: float, y: float, size: float, turn: float = 0) -> None:
        """Centre `sprite` at (x, y); all in shares of the side."""
        pixels = max(4, round(size * self.side))
        image = sprite.convert("RGBa").resize((pixels, pixels), Image.Resampling.BOX, reducing_gap=2.0) if (
            pixels * 2 < sprite.width
        ) else sprite.convert("RGBa").resize((pixels, pixels), Image.Resampling.BICUBIC)  # fmt: skip
        if turn:
            image = image.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        layer = Image.new("RGBa", self.front.size)
        layer.paste(image, (round(x * self.side - image.width / 2), round(y * self.side - image.height / 2)))
        self.front.alpha_composite(layer.convert("RGBA"))

    def flat(self) -> Image.Image:
        result = self.back.copy()
        result.paste(self.front, (0, 0), self.front)
        return result


class Composer:
    """Draws pictures at random from a `random.Random`, so a seed gives the same pictures again."""

    def __init__(
        self, sprites: dict[tuple[str, str], Image.Image], held: HeldOut, side: int, variety: Variety = NARROW
    ) -> None:
        self._sprites = sprites
        self.variety = variety
        self._held = held
        self._side = side
        self._words = list(THINGS)
        self._weights = [WEIGHTS.get(word, 1) for word in self._words]

    def training_picture(self, r: random.Random) -> Picture:
        """A picture with nothing held out in it."""
        while True:
            picture = self._draw(r, r.choices(list(LAYOUTS), list(LAYOUTS.values()))[0])
            if not picture.combinations & self._held.combinations:
                return picture

    def held_out_composition(self, r: random.Random) -> Picture:
        """A picture of two things of which at least one combination was held out."""
        layouts = sorted(COMPOSITIONS)
        while True:
            picture = self._draw(r, r.choices(layouts, [LAYOUTS[n] for n in layouts])[0])
            if picture.combinations & self._held.combinations:
                return picture

    def _draw(self, r: random.Random, layout: str) -> Picture:
        drawing = _Drawing(self, r)
        phrases = getattr(drawing, f"_{layout}")()
        return drawing.finish(layout, phrases)

    def pick(self, r: random.Random, among: list[str] | None = None) -> str:
        return r.choice(among) if among else r.choices(self._words, self._weights)[0]

    def sprite(self, r: random.Random, word: str, hand: str) -> Image.Image:
        # the first picture of a word is its usual one
        names = THINGS[word].pictures
        name = names[0] if r.random() < 0.5 else r.choice(names)
        return self._sprites[hand, name]

    def named(self, hand: str, name: str) -> Image.Image:
        return self._sprites[hand, name]

    @property
    def side(self) -> int:
        return self._side


class _Drawing:
    """One picture in the making."""

    def __init__(self, composer: Composer, r: random.Random) -> None:
        self.c = composer
        self.v = composer.variety
        self.r = r
        self.hand = HANDS[0] if r.random() < FLUENT_SHARE else HANDS[1]
        self.canvas = _Canvas(composer.side)
        self.made_of: set[Combination] = set()
        self.cartoon_share = 0.06
        self.rembrandt_share = 0.05
        self.in_scene = False

    # layouts: each returns phrases that are true of it; the first is the plainest

    def _single(self) -> list[str]:
        word = self.c.pick(self.r)
        sprite, noun, other = self._coloured(word, 0.18)
        if noun == word and self.v is NARROW:
            sprite = self._shifted(sprite)
        size = self.r.triangular(self.v.least_single, 1.0, self.v.usual_single)
        room = max(0.0, (1 - size) / 2) + 0.015
        self.canvas.put(sprite, 0.5 + self._jitter(room), 0.5 + self._jitter(room), size, self._jitter(self.v.turn))
        if word == "detective":
            self.cartoon_share = 0.4
        return [noun, noun, other]

    def _two(self) -> list[str]:
        (a, first), (b, second) = self._two_objects(0.06)
        size = self.r.uniform(*self.v.pair_sizes)
        height = 0.5 + self._shake(0.05)
        self.canvas.put(a, 0.26 + self._shake(0.01), height + self._shake(0.03), size)
        self.canvas.put(b, 0.74 + self._shake(0.01), height + self._shake(0.03), size)
        first, second = with_article(first), with_article(second)
        return [f"{first} and {second}", f"{first} and {second}", f"{first} next to {second}"]

    def _boat(self) -> list[str]:
        word = self.c.pick(self.r)
        sprite = self._mirrored(self._toned(self.c.sprite(self.r, word, self.hand)))
        boat = self._boat_in_front([word], [(sprite, 0.5, 0.36, self.r.uniform(0.56, 0.64))])
        noun = with_article(self._say(word))
        return [f"{noun} in {boat}", f"{noun} in {boat}", f"{noun} sailing in {boat}"]

    def _boat_for_two(self) -> list[str]:
        demo = self.r.random() < 0.22
        words = ["owl", "cat"] if demo else []
        (a, first), (b, second) = self._two_objects(0, words)
        size = self.r.uniform(*self.v.pair_sizes)
        places = [(a, 0.29, 0.37, size), (b, 0.71, 0.37, size)]
        boat = self._boat_in_front([first, second], places)
        first, second = with_article(self._say(first)), with_article(self._say(second))
        return [
            f"{first} and {second} in {boat}",
            f"{first} and {second} in {boat}",
            f"{first} with {second} in {boat}",
        ]

    def _scene(self) -> list[str]:
        r = self.r
        self.in_scene = True
        scene = "city" if r.random() < 0.4 else r.choice(list(SCENES))
        words, pictures = SCENES[scene]
        place = self.c.named(self.hand, r.choice(pictures))
        edge = int(place.width * 0.09)  # the pictures have round corners
        box = (edge, edge, place.width - edge, place.height - edge)
        backdrop = self._mirrored(place.crop(box)).resize((self.c.side,) * 2, Image.Resampling.BICUBIC)
        self.canvas.back.paste(backdrop, (0, 0), backdrop)
        flying = r.random() < 0.5
        word = "car" if r.random() < 0.2 else self.c.pick(r)
        self.made_of.add((word, f"scene {scene}"))
        sprite, noun, _ = self._coloured(word, 0.06)
        if flying:
            self.canvas.put(sprite, 0.5 + self._shake(0.06), 0.4 + self._shake(0.04), r.uniform(0.6, 0.7),
                            r.uniform(8, 16))  # fmt: skip
            noun = f"flying {noun}"
        else:
            self.canvas.put(sprite, 0.5 + self._shake(0.1), 0.66 + self._shake(0.02), r.uniform(0.56, 0.66))
        said = r.choice(words)
        bare = re.sub(r"^(a|the) ", "", said)
        noun = with_article(noun)
        backdrop_words = f"{noun} against {bare}" if bare.endswith("mountains") else (
            f"{noun} against {with_article(bare)} background"
        )  # fmt: skip
        return [f"{noun} against {said}", backdrop_words, f"{noun} in front of {said}"]

    def _blood(self) -> list[str]:
        r = self.r
        if r.random() < 0.6:
            sprite, noun = tint(self.c.sprite(r, "rose", self.hand), COLOURS["blood-red"]), "blood-red rose"
            sprite = self._mirrored(sprite)
        else:
            sprite, noun, _ = self._coloured(self.c.pick(r), 0.1)
        self.canvas.put(sprite, 0.5 + self._shake(0.02), 0.41 + self._shake(0.01), r.uniform(0.74, 0.82))
        drop = self.c.named("noto", "drop of blood")
        for x, y in ((0.27, 0.72), (0.5, 0.88), (0.74, 0.76)):
            self.canvas.put(drop, x + self._shake(0.04), y + self._jitter(0.03), r.uniform(0.17, 0.22))
        noun = with_article(noun)
        return [f"{noun} dripping blood", f"{noun} with thorns dripping blood",
                re.sub(r"^(a|an) ", "a single ", noun) + " with thorns dripping blood"]  # fmt: skip

    def _portrait(self) -> list[str]:
        word = self.c.pick(self.r, sorted(PEOPLE)) if self.r.random() < 0.6 else self.c.pick(self.r)
        sprite = self._mirrored(self.c.sprite(self.r, word, self.hand))
        sprite = self._toned(sprite)
        self.canvas.put(sprite, 0.5, 0.64, self.r.uniform(1.16, 1.24))
        self.rembrandt_share = 0.25
        return [f"a portrait of {with_article(self._say(word))}"] * 2

    def _kiss(self) -> list[str]:
        words = ["astronaut", "flower"] if self.r.random() < 0.35 else [self.c.pick(self.r, sorted(PEOPLE))]
        (a, first), (b, second) = self._two_objects(0, words)
        self.canvas.put(a, 0.36, 0.6 + self._shake(0.015), self.r.uniform(0.7, 0.76))
        self.canvas.put(b, 0.77, 0.62 + self._shake(0.015), self.r.uniform(*self.v.pair_sizes), 8)
        self.canvas.put(self.c.named(self.hand, "red heart"), 0.7, 0.22 + self._shake(0.02), 0.24)
        self.rembrandt_share = 0.35
        first, second = with_article(self._say(first)), with_article(self._say(second))
        return [
            f"{first} kissing {second}",
            f"a portrait of {first} kissing {second}",
            f"{first} in love with {second}",
        ]

    # parts

    def _jitter(self, amount: float) -> float:
        return self.r.uniform(-amount, amount)

    def _shake(self, amount: float) -> float:
        """A jitter that grows with the variety."""
        return self._jitter(amount * self.v.spread)

    def _shifted(self, sprite: Image.Image) -> Image.Image:
        low, high = 1 - self.v.brightness, 1 + self.v.brightness
        return shift_hue(sprite, self._jitter(self.v.hue), self.r.uniform(low, high))

    def _toned(self, sprite: Image.Image) -> Image.Image:
        """The sprite in its own colours; where there is more variety, a little beside them."""
        return sprite if self.v is NARROW else self._shifted(sprite)

    def _mirrored(self, image: Image.Image) -> Image.Image:
        return ImageOps.mirror(image) if self.r.random() < 0.5 else image

    def _say(self, word: str) -> str:
        return self.r.choice(THINGS[word].words) if self.r.random() < 0.35 else word

    def _coloured(self, word: str, share: float) -> tuple[Image.Image, str, str]:
        """The object, perhaps in another colour, mirrored or not; its noun; the same with another word for it."""
        sprite = self._mirrored(self.c.sprite(self.r, word, self.hand))
        other = self._say(word)
        if word in PEOPLE or self.r.random() >= share:
            return self._toned(sprite), word, other
        colour = self.r.choice(list(COLOURS))
        self.made_of.add((word, f"colour {colour}"))
        return tint(sprite, COLOURS[colour]), f"{colour} {word}", f"{colour} {other}"

    def _two_objects(self, share: float, words: list[str] = []) -> list[tuple[Image.Image, str]]:  # noqa: B006
        words = list(words)
        while len(words) < 2:
            word = self.c.pick(self.r)
            if word not in words:
                words.append(word)
        self.made_of.add(pair(*words))
        # a kiss has a kisser, so order matters there; elsewhere either may stand left
        if words[0] not in PEOPLE and self.r.random() < 0.5:
            words.reverse()
        return [self._coloured(word, share)[:2] for word in words]

    def _boat_in_front(self, words: list[str], places: list[tuple[Image.Image, float, float, float]]) -> str:
        r = self.r
        colour = "pea-green" if r.random() < 0.3 else r.choice(BOAT_COLOURS)
        plain = r.random() < 0.35
        shown = "brown" if plain else colour
        if not plain:
            self.made_of.update((word, f"boat {colour}") for word in words)
        for sprite, x, y, size in places:
            self.canvas.put(sprite, x + self._shake(0.01), y + self._shake(0.01), size)
        self.canvas.front.alpha_composite(boat(self.c.side, (150, 98, 56) if shown == "brown" else COLOURS[colour]))
        return "a boat" if plain else f"a {colour} boat"

    def finish(self, layout: str, phrases: list[str]) -> Picture:
        """Paint the background and the style, and word the captions."""
        r = self.r
        plain_share = 1 - self.rembrandt_share - self.cartoon_share
        style = r.choices(["rembrandt", "cartoon", ""], [self.rembrandt_share, self.cartoon_share, plain_share])[0]
        if layout == "single":
            phrases = self._templates(phrases)
        else:
            phrases = [r.choice(("a picture of {}", "a drawing of {}")).format(p) if r.random() < 0.08 else p
                       for p in phrases + phrases]  # fmt: skip
        phrases = [fill(p, r) if r.random() < 0.06 else p for p in phrases]
        if self.v.tone_share and not self.in_scene and r.random() < self.v.tone_share:
            self.canvas.back = soft_tone(self.c.side, r)
        if not self.in_scene and style != "rembrandt" and r.random() >= self.v.white_share:
            name = r.choice(list(BACKGROUNDS))
            self.canvas.back = shaded(self.c.side, BACKGROUNDS[name], r)
            self.made_of.update((part, f"background {name}") for part in self._parts(phrases))
            phrases = [
                f"{p} on a {name} background" if r.random() < 0.8 else f"{p}, {name} background" for p in phrases
            ]
        if style == "rembrandt":
            image = rembrandt(self.canvas.front, self.canvas.back if self.in_scene else None)
            phrases = [f"{p}, rembrandt style" if r.random() < 0.8 else f"a rembrandt painting of {p}" for p in phrases]
        elif style == "cartoon":
            image = cartoon(self.canvas.front, self.canvas.back)
            phrases = [_as_cartoon(p, r) for p in phrases]
        else:
            image = self.canvas.flat()
            if r.random() < 0.12:
                phrases = [r.choice(NAMED_HAND[self.hand]).format(p) for p in phrases]
        return Picture(image, list(dict.fromkeys(phrases)), layout, frozenset(self.made_of))

    def _parts(self, phrases: list[str]) -> set[str]:
        text = " ".join(phrases)
        return {word for word in THINGS if re.search(rf"\b{word}\b", text)}

    def _templates(self, nouns: list[str]) -> list[str]:
        chosen = self.r.sample(TEMPLATES, 6)
        return [t.format(a=with_article(n), bare=n) for t, n in zip(chosen, nouns * 2, strict=True)]


def fill(phrase: str, r: random.Random) -> str:
    """The phrase with a word that changes nothing."""
    word = r.choice(FILLERS)
    if match := re.match(r"(a|an) (.*)", phrase):
        return with_article(f"{word} {match[2]}")
    return f"{word} {phrase}"


def _as_cartoon(phrase: str, r: random.Random) -> str:
    if (match := re.match(r"(a|an) (.*)", phrase)) and r.random() < 0.75:
        return f"a cartoon {match[2]}"
    return f"{phrase}, cartoon style" if r.random() < 0.5 else f"a cartoon of {phrase}"


def tint(sprite: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """The sprite with its strong colours replaced, light and shade kept; dark eyes and white parts stay."""
    pixels = np.asarray(sprite, np.float32) / 255
    rgb, alpha = pixels[..., :3], pixels[..., 3]
    light = rgb @ np.array([0.3, 0.59, 0.11], np.float32)
    strength = np.clip((rgb.max(-1) - rgb.min(-1) - 0.10) * 5, 0, 1)
    if (strength * alpha).sum() < 0.2 * alpha.sum():  # a grey or white thing: colour all but its darkest parts
        strength = np.clip((light - 0.12) * 5, 0, 1)
    mean = (light * strength * alpha).sum() / ((strength * alpha).sum() + 1e-4)
    ratio = (light / (mean + 1e-4))[..., None]
    target = np.array(colour, np.float32) / 255
    painted = np.where(
        ratio < 1, target * (0.25 + 0.75 * ratio), target + (1 - target) * np.clip((ratio - 1) * 0.6, 0, 1)
    )
    mixed = rgb + (painted - rgb) * strength[..., None]
    return Image.fromarray((np.dstack([mixed, alpha]).clip(0, 1) * 255).astype(np.uint8))


def shift_hue(sprite: Image.Image, turn: float, brightness: float) -> Image.Image:
    """The sprite with its hue turned by `turn` of a full circle and its brightness scaled."""
    hue, saturation, value = sprite.convert("RGB").convert("HSV").split()
    offset = round(turn * 255) % 256
    hue = hue.point([(h + offset) % 256 for h in range(256)])
    result = Image.merge("HSV", (hue, saturation, value)).convert("RGB")
    result = ImageEnhance.Brightness(result).enhance(brightness)
    result.putalpha(sprite.getchannel("A"))
    return result


def shaded(side: int, colour: tuple[int, int, int], r: random.Random) -> Image.Image:
    """A background of one colour, a little lighter at the top or not."""
    jittered = np.array([c + r.uniform(-8, 8) for c in colour])
    ramp = np.linspace(1, -1, side)[:, None, None] * r.choice((0, 0, 14))
    return Image.fromarray(np.broadcast_to(jittered + ramp, (side, side, 3)).clip(0, 255).astype(np.uint8))


def boat(side: int, colour: tuple[int, int, int]) -> Image.Image:
    """A rowing boat from the side, on water, over the lower part of the canvas."""
    scale = 2  # drawn larger and reduced: PIL's polygons have hard edges
    s = side * scale
    image = Image.new("RGBA", (s, s))
    draw = ImageDraw.Draw(image)

    def points(top: float, depth: float) -> list[tuple[float, float]]:
        hull = [(0.03 + 0.94 * t, top + 0.05 * (2 * t - 1) ** 2 * -1 + 0.03) for t in (0, 0.25, 0.5, 0.75, 1)]
        keel = [
            (0.5 + 0.36 * math.cos(a), top + depth * (0.55 + 0.45 * math.sin(a))) for a in np.linspace(0, math.pi, 9)
        ]
        return [(x * s, y * s) for x, y in hull + keel]

    def mix(amount: float) -> tuple[int, int, int]:
        target = 255 if amount > 0 else 0
        return tuple(round(c + (target - c) * abs(amount)) for c in colour)  # type: ignore[return-value]

    draw.polygon(points(0.60, 0.30), fill=mix(-0.12))
    draw.polygon(points(0.60, 0.22), fill=(*colour, 255))
    draw.line(points(0.605, 0.2)[:5], fill=mix(0.45), width=round(0.035 * s), joint="curve")
    wave = [(x, 0.865 + 0.018 * math.sin(x * 6 * math.pi)) for x in np.linspace(0, 1, 33)]
    draw.polygon([(x * s, y * s) for x, y in wave] + [(s, s * 0.97), (0, s * 0.97)], fill=(70, 160, 235))
    draw.line([(x * s, (y + 0.035) * s) for x, y in wave], fill=(150, 210, 250), width=round(0.018 * s))
    return image.resize((side, side), Image.Resampling.BOX)


def rembrandt(front: Image.Image, back: Image.Image | None) -> Image.Image:
    """Warm light from the upper left on brown ground; faces stay bright, else the subject is lost."""
    side = front.width
    y, x = np.mgrid[0:side, 0:side] / (side - 1)
    light = np.clip(1.15 - 0.55 * np.hypot(x - 0.35, y - 0.35), 0.5, 1.15)[..., None]
    ground = np.array([140, 96, 54]) * (light - 0.12) if back is None else np.asarray(back, np.float32) * 0.7 * light
    pixels = np.asarray(front, np.float32)
    alpha = pixels[..., 3:] / 255
    lit = pixels[..., :3] * np.array([1.0, 0.88, 0.68]) * light
    return Image.fromarray((ground * (1 - alpha) + lit * alpha).clip(0, 255).astype(np.uint8))


def cartoon(front: Image.Image, back: Image.Image) -> Image.Image:
    """Strong colours, little detail and a dark outline round each shape."""
    alpha = front.getchannel("A")
    solid = alpha.point(lambda a: 255 if a > 100 else 0)
    outline = ImageChops.subtract(solid.filter(ImageFilter.MaxFilter(5)), solid.filter(ImageFilter.MinFilter(3)))
    smooth = front.convert("RGB").filter(ImageFilter.MedianFilter(5))
    flat = ImageEnhance.Contrast(ImageEnhance.Color(smooth).enhance(1.4)).enhance(1.1)
    result = back.copy()
    result.paste(flat, (0, 0), alpha)
    result.paste((24, 22, 30), (0, 0), outline.filter(ImageFilter.GaussianBlur(0.6)))
    return result
