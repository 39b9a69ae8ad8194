"""Notes on one picture: other tools' words are taken down and become settings of one vocabulary, or say why not.

Every reader of a format comes here with its pairs of a key and a value, so a number is read, a sampler named and a text
bounded in one place. To add a word of a tool: one line in KEYS, or in ASIDE where the word is never a setting.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from teststrip.characters import HOSTILE
from teststrip.imports.understood import Understood, Unread
from teststrip.records import Value
from teststrip.vocabulary import NO_SAMPLERS, SAMPLER_NAMES, SPACINGS, STEPS, plainly, sampler_named

SCHEDULER: Final = "scheduler"
SPACING: Final = "spacing"
NEGATIVE: Final = "negative_prompt"
IMAGE_TO_IMAGE: Final = "image-to-image: the picture was made from another picture"
TWICE: Final = "said twice"

LONGEST_VALUE: Final = 500
"""Characters of a setting; longer ones are files and lists, not settings."""
LONGEST_PROMPT: Final = 20_000
"""Characters, as in a study file."""
SHOWN: Final = 60

KEYS: Final[Mapping[str, str]] = {
    "steps": STEPS,
    "numsteps": STEPS,
    "samplingsteps": STEPS,
    "numinferencesteps": STEPS,
    "cfgscale": "guidance_scale",
    "cfg": "guidance_scale",
    "guidance": "guidance_scale",
    "guidancescale": "guidance_scale",
    "scale": "guidance_scale",
    "sampler": SCHEDULER,
    "samplername": SCHEDULER,
    "samplermethod": SCHEDULER,
    "samplingmethod": SCHEDULER,
    "scheduletype": SPACING,
    "schedule": SPACING,
    "noiseschedule": SPACING,
    "spacing": SPACING,
    "size": "size",
    "resolution": "size",
    "width": "width",
    "height": "height",
    "model": "model",
    "modelname": "model",
    "basemodel": "model",
    "ckptname": "model",
    "unetname": "model",
    "clipskip": "clip_skip_from_one",
    "denoisingstrength": "strength",
    "denoise": "strength",
    "strength": "strength",
    "negativeprompt": NEGATIVE,
    "seed": "seed",
    "noiseseed": "seed",
    "prompt": "prompt",
}
"""What tools call a setting, in small letters without spaces and signs: "CFG scale", "cfgscale", "cfg_scale"."""

KINDS: Final[Mapping[str, type]] = {
    STEPS: int,
    "width": int,
    "height": int,
    "guidance_scale": float,
    "true_cfg_scale": float,
    "strength": float,
    "eta": float,
    "clip_skip": int,
}
"""The kinds of settings whose values must be numbers; a text in their place is not understood."""

ASIDE: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("version", "app", "parser", "backend", "pipeline", "swarmversion", "appversion", "user", "createdby"),
        "it says by what the picture was made, not how",
    ),
    **dict.fromkeys(
        ("timetaken", "createddate", "date", "hardwareinfo", "generationtime", "preptime", "creationtime", "timestamp"),
        "it says when, where or how fast the picture was made, not how",
    ),
    **dict.fromkeys(("templateseeds", "template", "negativetemplate"), "the prompt that came of it is there"),
    **dict.fromkeys(("jobid", "imageid", "filename", "workflow", "draftid"), "it names the picture, not a setting"),
    **dict.fromkeys(("civitaimetadata", "sdmetadata", "metadatascheme"), "it is about where the picture was shown"),
}
"""Words that are never settings, however much they vary, and why."""

_NUMBER = re.compile(r"[-+]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][-+]?\d{1,2})?")
_SEED = re.compile(r"-?\d{1,24}")
_SIZE = re.compile(r"\(?\s*(\d{1,5})\s*[xX×,]\s*(\d{1,5})\s*\)?")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TAKEN = frozenset(
    {"replicate", "seconds", "missing", "denoiser_calls", "image", "label", "reason", "tags", "engine", "file"}
)
"""Columns of every result: a tool's own word of that name gets the ending `_said`."""


def squeezed(key: str) -> str:
    """A key without what tools spell differently.

    >>> squeezed("CFG scale"), squeezed("cfg_scale"), squeezed("CFGscale")
    ('cfgscale', 'cfgscale', 'cfgscale')
    """
    return "".join(letter for letter in key.lower() if letter.isalnum())


def own_name(key: str) -> str:
    """A tool's word as the name of a setting; "" where none can be made of it.

    >>> own_name("ADetailer dilate/erode"), own_name("Hires upscale"), own_name("???"), own_name("Image")
    ('adetailer_dilate_erode', 'hires_upscale', '', 'image_said')
    """
    name = re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_")
    name = f"{name}_said" if name in _TAKEN else name
    return name if _NAME.fullmatch(name) else ""


def number(value: object) -> int | float | None:
    """A finite number of a text or of JSON; None for anything else.

    >>> number("7.0"), number(" 20 "), number("1e3"), number("20 steps"), number(True)
    (7.0, 20, 1000.0, None, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, str) or len(value) > SHOWN or not _NUMBER.fullmatch(text := value.strip()):
        return None
    found = float(text)
    return found if any(mark in text for mark in ".eE") else int(text)


def clean(text: str) -> str:
    """A text with the line ends of Unix and without space around it."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def hostile(text: str) -> str:
    """Why a text cannot stand in a study file; "" where it can. Direction marks are text and stay."""
    found = next((one for one in HOSTILE.finditer(text) if one[0] < "\xa0" or "\ud800" <= one[0] <= "\udfff"), None)
    return f"it holds the control character U+{ord(found[0]):04X}" if found else ""


def _squeezed_samplers() -> Mapping[str, str]:
    """ "dpmpp2mkarras" to "dpmpp_2m_karras", for tools that write no spaces."""
    endings = ("", *(f"_{spacing}" for spacing in SPACINGS))
    return {f"{name}{end}".replace("_", ""): f"{name}{end}" for name in SAMPLER_NAMES for end in endings}


_SQUEEZED: Final = _squeezed_samplers()


class Notes:
    """Takes down what a tool says of one picture.

    Args:
        tool: as its users call it.
    """

    def __init__(self, tool: str) -> None:
        self.tool = tool
        self.prompt = ""
        self.settings: dict[str, Value] = {}
        self.seed = ""
        self._unread: dict[str, Unread] = {}
        self._remarks: dict[str, None] = {}
        self._heard: set[str] = set()

    def understood(self, *, job: str = "", index: int | None = None) -> Understood:
        """The notes as a record."""
        return Understood(
            tool=self.tool,
            prompt=self.prompt,
            settings=self.settings,
            seed=self.seed,
            job=job,
            index=index,
            unread=tuple(self._unread.values()),
            remarks=tuple(self._remarks),
        )

    def remark(self, sentence: str) -> None:
        """Something that a person must know of the picture."""
        self._remarks[sentence] = None

    def unread(self, key: str, value: object, why: str) -> None:
        """Something that becomes no setting. Of several of one key the first is kept."""
        self._unread.setdefault(key, Unread(_short(key), _short(value), why))

    def say_prompt(self, text: object) -> None:
        """The prompt; a text that no study file can hold is not understood."""
        found = self._text("prompt", text, LONGEST_PROMPT)
        if found:
            self.prompt = found

    def say_negative(self, text: object) -> None:
        """The negative prompt; an empty one is an empty one, not an unknown one."""
        found = self._text(NEGATIVE, text, LONGEST_PROMPT)
        if found is not None:
            self.put(NEGATIVE, found)

    def say_seed(self, value: object) -> None:
        """The seed: a whole number of any size and sign, kept as text."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
        if not _SEED.fullmatch(text):
            self.unread("seed", value, "it is no whole number")
        elif self.seed and self.seed != str(int(text)):
            self.remark(f"seed {TWICE}: the first counts")
        else:
            self.seed = str(int(text))

    def say(self, key: str, value: object) -> None:
        """A pair as the tool writes it. Of a key that comes twice the first value counts, and a remark says so."""
        plain = squeezed(key)
        name = KEYS.get(plain, "")
        if plain in self._heard:
            self.remark(f"{_short(key)} {TWICE}: the first counts")
            return
        self._heard.add(plain)
        if plain in ASIDE or plain.endswith(("hash", "hashes")):
            self.unread(key, value, ASIDE.get(plain, "it tells which file was used, and the file's name is there"))
        elif name == "prompt":
            self.say_prompt(value)
        elif name == NEGATIVE:
            self.say_negative(value)
        elif name == "seed":
            self.say_seed(value)
        elif name == SCHEDULER:
            self.say_sampler(value)
        elif name == SPACING:
            self.say_spacing(value)
        elif name == "size":
            self.say_size(key, value)
        elif name == "clip_skip_from_one":
            self.say_clip_skip(key, value)
        elif name:
            self.say_setting(key, name, value)
        else:
            self.say_own(key, value)

    def say_setting(self, key: str, name: str, value: object) -> None:
        """A setting of Diffusers, its value of the right kind or not understood."""
        kind = KINDS.get(name)
        if kind is None:
            if (text := self._text(key, value, LONGEST_VALUE)) not in (None, ""):
                self.put(name, text)
            return
        found = number(value)
        if found is None or (kind is int and not float(found).is_integer()):
            self.unread(key, value, "it is no number" if found is None else "it is no whole number")
        else:
            self.put(name, kind(found))

    def say_own(self, key: str, value: object) -> None:
        """A word of the tool itself, which becomes a setting under its own name where its value is plain."""
        name = own_name(key)
        if isinstance(value, str) and value.strip().startswith(("{", "[{")):
            self.unread(key, value, "it is a list or a table, not a value")
        elif not name:
            self.unread(key, value, "its name cannot be the name of a setting")
        elif isinstance(value, list | tuple | dict):
            self.unread(key, value, "it is a list or a table, not a value")
        elif (found := self._plain(key, value)) is not None:
            self.put(name, found)

    def keep(self, name: str, value: object) -> None:
        """A setting as Teststrip itself wrote it, unchanged; what no study file can hold is not understood."""
        if any(own_name(part) != part.lower() for part in name.split(".")):
            self.unread(name, value, "its name cannot be the name of a setting")
        elif isinstance(value, bool) or (isinstance(value, int | float) and number(value) is not None):
            self.put(name, value)
        elif isinstance(value, int | float):
            self.unread(name, value, "it is no number that a setting can have")
        elif isinstance(value, str) and self._text(name, value, LONGEST_PROMPT) is not None:
            self.put(name, value)
        elif not isinstance(value, str):
            self.unread(name, value, "it is neither text nor number")

    def say_size(self, key: str, value: object) -> None:
        """Width and height, as "512x768" or "(512, 768)"."""
        match = _SIZE.fullmatch(str(value).strip()[:SHOWN])
        if match:
            self.put("width", int(match[1]))
            self.put("height", int(match[2]))
        else:
            self.unread(key, value, "it is no width and height")

    def say_clip_skip(self, key: str, value: object) -> None:
        """Layers that are skipped. A1111 and its kin count the last layer as 1, Diffusers as 0."""
        found = number(value)
        if found is None or not float(found).is_integer() or not 1 <= found <= 100:
            self.unread(key, value, "it is no number of layers, from 1")
        else:
            self.put("clip_skip", int(found) - 1)

    def say_sampler(self, word: object) -> None:
        """A sampler by any tool's name; an old name holds the spacing too ("DPM++ 2M Karras").

        A name that means nothing in Diffusers stays as it is, so that two samplers never become one.
        """
        text = self._text("sampler", word, LONGEST_VALUE)
        if not text:
            return
        if text.lower() in ("undefined", "none", "unknown", "null"):
            self.unread("sampler", text, "the tool itself does not say which")
            return
        if sampler_named(text) is None:
            text = _SQUEEZED.get(squeezed(text.replace("++", "pp")), text)
        found = sampler_named(text)
        if found is None:
            self.put(SCHEDULER, text)
            return
        name, options = found
        if name:
            self.put(SCHEDULER, name)
            for option, value in options.items():
                self.put(f"{SCHEDULER}.{option}", value)  # type: ignore[arg-type]  # a text, a number or a truth
        elif plainly(text) in NO_SAMPLERS:
            self.put(SCHEDULER, plainly(text))
        elif plainly(text) in SPACINGS:  # ComfyUI calls its spacings schedulers
            self.say_spacing(text)
        else:
            self.put(SCHEDULER, text)

    def say_spacing(self, word: object) -> None:
        """How a sampler spaces its steps: an option of Diffusers where it means exactly that, else the word itself."""
        text = self._text("schedule", word, LONGEST_VALUE)
        if not text or plainly(text) in ("automatic", "native", "default", "none"):
            return  # the sampler's own, as where nothing is said
        if plainly(text) in ("karras", "exponential", "beta"):
            for option, value in SPACINGS[plainly(text)].items():
                self.put(f"{SCHEDULER}.{option}", value)  # type: ignore[arg-type]
        else:
            self.put(SPACING, plainly(text))

    def put(self, name: str, value: Value) -> None:
        """A setting by its final name. The first value counts."""
        if name in self.settings and self.settings[name] != value:
            self.remark(f"{name} {TWICE}: the first counts")
        self.settings.setdefault(name, value)

    def _plain(self, key: str, value: object) -> Value:
        if isinstance(value, bool):
            return value
        if (found := number(value)) is not None:
            return found
        if isinstance(value, int | float):
            self.unread(key, value, "it is no number that a setting can have")
            return None
        text = self._text(key, value, LONGEST_VALUE)
        if text and text.lower() in ("true", "false"):
            return text.lower() == "true"
        return text or None

    def _text(self, key: str, value: object, most: int) -> str | None:
        """A text that a study file can hold; None where it is none, which is noted."""
        if value is None:
            return None
        if isinstance(value, bool | list | tuple | dict) or not isinstance(value, str | int | float):
            self.unread(key, value, "it is no text")
            return None
        text = clean(str(value))
        why = hostile(text) or (f"it has more than {most:,} characters" if len(text) > most else "")
        if why:
            self.unread(key, text, why)
            return None
        return text


def _short(value: object) -> str:
    text = " ".join(str(value)[: 4 * SHOWN].split()) if isinstance(value, str) else str(value)[: 4 * SHOWN]
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
