"""Engine `pattern`: a picture of its own settings, without weights.

For a first `teststrip plan`, for contract and scale tests, and for trying out metrics and pages. It behaves like a
diffusion model where that matters: the prompt chooses the subject, the seed its layout and the noise, more steps leave
less noise (first order with DDIM, second with DPM-Solver, never quite with an ancestral sampler), guidance brings
contrast, clips when overdone and makes the seeds alike. `eta` changes nothing, on purpose: a dead axis to be found.

Only exactly rounded arithmetic (no sine, no BLAS), so the pixels are equal on every machine. Knows nothing of studies.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Final, cast, get_args

from teststrip.errors import EngineError, StudyError, among
from teststrip.pictures import digest_of_pixels, encode_png, small
from teststrip.records import Failure, Fingerprint, Reason, Render, Seeds, Setting, Shot, Value, by_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION: Final = 1
"""Raise when any pixel changes: it is the fingerprint."""

SCHEDULERS: Final = ("DDIMScheduler", "DPMSolverMultistepScheduler", "EulerAncestralDiscreteScheduler")
WAVES: Final = 3
MOST_PIXELS: Final = 64_000_000  # as many as the reader of pictures accepts


class PatternEngine:
    """Draws waves in the colours of the prompt.

    Args:
        seconds: sleep this long for each picture, as if a machine elsewhere worked.
        spin: compute this long for each picture, as if this machine worked.
        fail: which shots fail and why: conditions `setting=value`, joined by "," when all must hold and by ";" when
            any may, each optionally led by a reason class: `guidance_scale=9; refused: seed=3, prompt=an owl`.
        fail_share: this share of all shots, chosen by their id, fails with reason "error"; 0..1.

    Raises:
        EngineError: `fail` cannot be read.
    """

    options: ClassVar[Mapping[str, Setting]] = by_name(
        Setting("seconds", "float", 0.0, low=0, high=3600, doc="Sleep this many seconds for each picture."),
        Setting("spin", "float", 0.0, low=0, high=3600, doc="Compute this many seconds for each picture."),
        Setting("fail", "str", "", doc='Shots that fail: "guidance_scale=9; refused: seed=3, num_inference_steps=50".'),
        Setting("fail_share", "float", 0.0, low=0, high=1, doc="Share of all shots that fails, chosen by their id."),
    )
    # Cost and failures change no picture: a later run without them goes on with the same shots.
    operation: ClassVar[frozenset[str]] = frozenset(options)
    seeds: ClassVar[Seeds] = "exact"

    settings: Mapping[str, Setting] = by_name(
        Setting("prompt", "str", doc="The text; chooses subject and colours."),
        Setting("negative_prompt", "str", "", doc="The text to keep away from; turns the colours a little."),
        Setting("seed", "int", 0, low=0, high=2**32 - 1, doc="Layout and noise."),
        Setting("guidance_scale", "float", 7.5, low=0, high=100, doc="Contrast; clips above about 15."),
        Setting("num_inference_steps", "int", 50, low=1, high=1000, doc="Noise falls as 2 / steps, or faster."),
        Setting("scheduler", "str", SCHEDULERS[0], choices=SCHEDULERS, doc="How fast the noise falls."),
        Setting("eta", "float", 0.0, low=0, high=1, doc="Ignored by this engine, to show what a dead axis is."),
        Setting("width", "int", 64, low=1, high=8192, doc="Pixels."),
        Setting("height", "int", 64, low=1, high=8192, doc="Pixels."),
    )

    def __init__(self, *, seconds: float = 0.0, spin: float = 0.0, fail: str = "", fail_share: float = 0.0) -> None:
        self._seconds = seconds
        self._spin = spin
        self._rules = _rules(fail)
        self._fail_share = fail_share

    def check(self, settings: Mapping[str, Value]) -> None:
        """Raise StudyError for a scheduler that does not exist or a picture too large to be read again."""
        scheduler = str(self._value(settings, "scheduler"))
        if scheduler not in SCHEDULERS:
            raise StudyError(
                f"scheduler: {scheduler!r} is unknown to engine 'pattern'{among(scheduler, SCHEDULERS, 'Known')}"
            )
        width, height = self._number(settings, "width"), self._number(settings, "height")
        if width * height > MOST_PIXELS:
            raise StudyError(f"width × height: {width} × {height} is above {MOST_PIXELS:,} pixels. Choose less")

    def calls(self, settings: Mapping[str, Value]) -> int:
        """Steps, twice where guidance is on (above 1), as for a Stable Diffusion."""
        return int(self._number(settings, "num_inference_steps")) * (
            2 if self._number(settings, "guidance_scale") > 1 else 1
        )

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """The version of this drawing; no library or machine changes a pixel."""
        return Fingerprint({"engine": "pattern", "version": VERSION})

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer a shot, in order."""
        for shot in shots:
            started = time.perf_counter()
            time.sleep(self._seconds)
            while time.perf_counter() - started < self._seconds + self._spin:
                pass
            yield self._failure(shot) or self._picture(shot, started)

    def close(self) -> None:
        """Nothing is held."""

    def _picture(self, shot: Shot, started: float) -> Render:
        height, width = int(self._number(shot.settings, "height")), int(self._number(shot.settings, "width"))
        pixels = draw(
            prompt=shot.prompt,
            negative_prompt=str(self._value(shot.settings, "negative_prompt") or ""),
            seed=shot.seed,
            guidance_scale=self._number(shot.settings, "guidance_scale"),
            steps=int(self._number(shot.settings, "num_inference_steps")),
            scheduler=str(self._value(shot.settings, "scheduler")),
            size=(height, width),
        )
        return Render(
            shot=shot,
            data=encode_png(pixels),
            format="png",
            width=width,
            height=height,
            seconds=time.perf_counter() - started,
            fingerprint=self.fingerprint(shot),
            facts={"denoiser_calls": self.calls(shot.settings), "device": "cpu", "pixels": digest_of_pixels(pixels)},
            small=small(pixels),
        )

    def _failure(self, shot: Shot) -> Failure | None:
        for reason, conditions in self._rules:
            if all(_spelled(self._value(shot.settings, name)) == value for name, value in conditions.items()):
                asked = ", ".join(f"{name}={value}" for name, value in conditions.items())
                return Failure(shot, reason, f"asked to fail by fail: {asked}", retryable=reason != "refused")
        if int(shot.id[:8], 16) < self._fail_share * 2**32:
            return Failure(shot, "error", f"asked to fail by fail_share: {self._fail_share:g}")
        return None

    def _value(self, settings: Mapping[str, Value], name: str) -> Value:
        known = self.settings.get(name)
        return settings.get(name, known.default if known else None)

    def _number(self, settings: Mapping[str, Value], name: str) -> float:
        return cast("float", self._value(settings, name))


def draw(
    *,
    prompt: str,
    negative_prompt: str,
    seed: int,
    guidance_scale: float,
    steps: int,
    scheduler: str,
    size: tuple[int, int],
) -> NDArray[np.uint8]:
    """The picture, uint8 [H, W, 3], for a size of (height, width) pixels."""
    import numpy as np  # not above: a plan with this engine draws nothing

    subject = _bytes(prompt)
    layout = _bytes(prompt, seed)
    colours = (subject[: 3 * WAVES].reshape(WAVES, 3) - 127.5) / 127.5
    if negative_prompt:
        colours = colours - 0.25 * (_bytes(negative_prompt)[: 3 * WAVES].reshape(WAVES, 3) - 127.5) / 127.5
    cycles = subject[16 : 16 + 2 * WAVES].reshape(WAVES, 2) % 7 - 3
    # Strong guidance makes the seeds alike, as it does in a diffusion model.
    phases = subject[24 : 24 + WAVES] / 256 + layout[:WAVES] / 256 / (1 + guidance_scale / 10)
    left = {"DPMSolverMultistepScheduler": 4 / (steps * steps)}.get(scheduler, 2 / steps)
    if scheduler == "EulerAncestralDiscreteScheduler":
        # Fresh noise at each step: another number of steps always makes another picture.
        phases = phases + _bytes(scheduler, seed, steps)[:WAVES] / 256 / 8
        left = max(left, 0.02)
    left = min(1.0, left)

    height, width = size
    across = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None, :]
    down = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    planes = np.zeros((3, height, width), np.float32)
    gain = (0.1 + 0.05 * guidance_scale) * (1 - left) * 127.5
    for colour, (fx, fy), phase in zip(colours, cycles, phases, strict=True):
        wave = 4 * np.abs((float(fx) * across + float(phase) + float(fy) * down) % 1 - 0.5) - 1
        wave *= 1.5 - 0.5 * wave * wave
        planes += np.multiply.outer((colour * gain).astype(np.float32), wave)
    noise = np.random.PCG64(seed).random_raw(planes.size // 8 + 1).view(np.uint8)[: planes.size]
    planes += noise.reshape(planes.shape) * np.float32(left) + np.float32(128 - 127.5 * left)
    return np.ascontiguousarray(np.clip(planes, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def _bytes(*parts: object) -> NDArray[np.float64]:
    """32 numbers 0..255 that depend on the parts alone."""
    import numpy as np

    text = "\0".join(str(part) for part in parts)
    return np.frombuffer(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), np.uint8).astype(np.float64)


def _spelled(value: Value) -> str:
    """A value as a person writes it: 9 and 9.0 are one."""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _rules(text: str) -> list[tuple[Reason, dict[str, str]]]:
    """What `fail` says: reason class and conditions of each rule."""
    rules: list[tuple[Reason, dict[str, str]]] = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        match = re.fullmatch(r"(?:(\w+):)?(.+)", part, re.DOTALL)
        reason, asked = match.groups() if match else (None, part)
        if reason is not None and reason not in get_args(Reason):
            raise EngineError(f"[engine] fail: unknown reason {reason!r}{among(reason, get_args(Reason), 'Known')}")
        conditions = {}
        for condition in asked.split(","):
            name, equals, value = (piece.strip() for piece in condition.partition("="))
            if not equals or name not in PatternEngine.settings:
                raise EngineError(
                    f"[engine] fail: cannot read {condition.strip()!r}."
                    " Write setting=value, for example guidance_scale=9"
                )
            conditions[name] = _spelled(float(value)) if _numeric(value) else value
        rules.append((cast("Reason", reason or "error"), conditions))
    return rules


def _numeric(text: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(\.\d*)?", text) is not None
