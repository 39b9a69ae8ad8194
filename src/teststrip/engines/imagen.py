"""Engine `imagen`: models that were trained with imagen-pytorch, the open implementation of Google's Imagen.

The package runs in a process of its own (`teststrip.imagen`), with this interpreter or with the one that the
environment names: a study file may be a stranger's, so it names no program. This file joins what that room knows to the
seam of engines: one request a shot, and what goes wrong becomes the shot's failure.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast, get_args

from teststrip.errors import EngineError, MissingExtra, StudyError
from teststrip.imagen import knobs
from teststrip.imagen.models import Model, read
from teststrip.imagen.process import Process, ProcessGone
from teststrip.pictures import digest_of_pixels, encode_png, is_blank, small
from teststrip.records import Failure, Fingerprint, Reason, Render, Seeds, Setting, Shot, Value, by_name
from teststrip.weights.digests import Digests
from teststrip.weights.loading import DEVICE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INSTALL: Final = (
    "pip install --no-deps imagen-pytorch==2.1.0 einops==0.8.2 beartype==0.23.1 kornia==0.9.0 kornia_rs==0.2.0"
    " && pip install tqdm safetensors torch transformers"
)
"""With --no-deps, because a torchvision that does not fit the installed torch breaks transformers."""

VARIABLE: Final = "TESTSTRIP_IMAGEN_PYTHON"
"""The environment variable that names another interpreter, which has imagen-pytorch."""

VERSION: Final = "2.1.0"
MOST_DEATHS: Final = 3
"""In a row, after which the other images of a model are not tried: a hang costs the patience each time."""

MOST_TEXT: Final = 300
"""Characters of what an error says; a prompt in it may be of any length."""


class ImagenEngine:
    """Draws with models of imagen-pytorch, in a process of its own; one call a picture.

    In a batch, the noise of a picture would depend on the pictures beside it. `options` describes the arguments.
    """

    options: ClassVar[Mapping[str, Setting]] = by_name(
        Setting("ema", "bool", default=True, doc="Whether a checkpoint's averaged weights draw, where it has them."),
        Setting("text_encoder", "str", "", doc='Folder of the T5 that reads prompts; "" = the model\'s own.'),
        DEVICE,
        Setting(
            "patience",
            "float",
            600.0,
            low=1,
            high=86_400,
            doc="Seconds without a step of the model, loading included, after which its process is killed.",
        ),
    )
    operation: ClassVar[frozenset[str]] = frozenset({"device", "patience"})
    seeds: ClassVar[Seeds] = "exact"
    loads: ClassVar[frozenset[str]] = frozenset({"model"})

    settings: Mapping[str, Setting] = by_name(
        Setting("prompt", "str", doc="The text, read by the model's T5."),
        Setting("seed", "int", 0, low=0, high=2**32 - 1, doc="Of all noise of this one picture."),
        Setting("model", "str", optional=True, is_name=True, doc="A folder, or a checkpoint of the trainer (.pt)."),
        *knobs.SETTINGS.values(),
    )

    def __init__(
        self,
        *,
        ema: bool = True,
        text_encoder: str = "",
        device: str = "auto",
        patience: float = 600.0,
    ) -> None:
        self._ema = ema
        self._text_encoder = text_encoder
        self._device = device
        self._python = os.environ.get(VARIABLE) or sys.executable
        self._process = Process(self._python, patience)
        self._models: dict[str, Model] = {}
        self._about: Mapping[str, Any] | None = None
        self._digests = Digests()
        self._fingerprints: dict[str, Fingerprint] = {}

    def check(self, settings: Mapping[str, Value]) -> None:
        """Raise StudyError for a model that is not here or not whole, and for settings that it cannot heed."""
        knobs.check(settings, self._model(settings).own)

    def calls(self, settings: Mapping[str, Value]) -> int:
        """Forwards of all stages; each step is two where guidance is on."""
        return knobs.calls(settings, self._model(settings).own)

    def remark(self, settings: Mapping[str, Value]) -> str:
        """Says which settings change nothing, and why."""
        model = self._model(settings)
        dead = (
            [] if self._ema or model.averages else ["do not heed ema: their weights are no checkpoint of the trainer"]
        )
        return "\n".join([*dead, *knobs.unheeded(settings, model.own)])

    def turns(self, cells: Sequence[Mapping[str, Value]]) -> Sequence[int]:
        """Model by model, because the process holds one."""
        turns: dict[object, int] = {}
        return [turns.setdefault(cell.get("model"), len(turns)) for cell in cells]

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """Digests of the model's files, and the versions that its process has. Starts the process, loads no weights.

        Raises:
            MissingExtra: the interpreter lacks a package.
            EngineError: the interpreter cannot be started, or the device is not there.
        """
        name = str(shot.settings.get("model"))
        if name not in self._fingerprints:
            model, about = self._model(shot.settings), self._interpreter()
            self._fingerprints[name] = Fingerprint(
                {
                    "engine": "imagen",
                    **model.identity(self._digests),
                    **({"ema": self._ema} if model.averages else {}),
                    "dtype": "float32",
                    "device": about["device"],
                    "python": about["python"],
                    "versions": about["versions"],
                }
            )
        return self._fingerprints[name]

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer a shot, in order.

        Where a model cannot be loaded, each of its shots is answered with the reason. A process that dies or hangs
        costs the shot that it works on; the next shot gets another process.

        Raises:
            MissingExtra: the interpreter lacks a package.
            EngineError: the interpreter cannot be started, or the device is not there.
        """
        unloadable: dict[object, tuple[Reason, str]] = {}
        deaths = 0  # in a row: a model that always kills its process must not take hours to say so
        for shot in shots:
            name = shot.settings.get("model")
            if name in unloadable:
                yield Failure(shot, *unloadable[name])
                continue
            try:
                answer = self._picture(shot)
                deaths = 0
            except ProcessGone as gone:
                answer = Failure(shot, gone.reason, _line(f"{gone} (during this image)"))
                deaths += 1
                if deaths == MOST_DEATHS:
                    unloadable[name] = gone.reason, _line(f"{gone} ({deaths} images in a row, so no more were tried)")
            except Unloadable as error:
                unloadable[name] = error.reason, str(error)
                answer = Failure(shot, error.reason, str(error))
            yield answer

    def close(self) -> None:
        """End the process; the next `render` starts another."""
        self._process.close()
        self._models.clear()
        self._fingerprints.clear()

    def _picture(self, shot: Shot) -> Render | Failure:
        self._interpreter()
        started = time.perf_counter()
        try:
            model = self._model(shot.settings)
            knobs.check(shot.settings, model.own)
            fingerprint = self.fingerprint(shot)
        except StudyError as error:
            raise Unloadable(_line(str(error))) from error
        header, body = self._process.ask(self._request(shot, model))
        if header.get("is") == "failed":
            return _failure(shot, header)
        side = knobs.side(shot.settings, model.own)
        pixels = _pixels(shot, header, body, side)
        if isinstance(pixels, Failure):
            return pixels
        facts = cast("Mapping[str, object]", header.get("facts", {}))
        return Render(
            shot=shot,
            data=encode_png(pixels),
            format="png",
            width=side,
            height=side,
            seconds=time.perf_counter() - started,
            fingerprint=fingerprint,
            facts={**facts, "device": self._interpreter()["device"], "pixels": digest_of_pixels(pixels)},
            small=small(pixels),
        )

    def _request(self, shot: Shot, model: Model) -> dict[str, object]:
        return {
            "do": "picture",
            "device": self._interpreter()["device"],
            "model": {
                "config": dict(model.config),
                "weights": str(model.weights.resolve()),
                "text_encoder": str(model.text_encoder.resolve()),
                "ema": self._ema,
            },
            "asked": {**knobs.asked(shot.settings, model.own), "prompt": shot.prompt, "seed": shot.seed},
        }

    def _model(self, settings: Mapping[str, Value]) -> Model:
        name = settings.get("model")
        if not name:
            raise StudyError("model: engine 'imagen' has no model of its own. Name a folder: model = \"models/mine\"")
        if str(name) not in self._models:
            self._models[str(name)] = read(str(name), self._text_encoder)
        return self._models[str(name)]

    def _interpreter(self) -> Mapping[str, Any]:
        """What the interpreter has; asked once."""
        if self._about is not None:
            return self._about
        try:
            about, _ = self._process.ask({"do": "about", "device": self._device})
        except (ProcessGone, OSError) as error:
            raise EngineError(f"{VARIABLE}: {self._python!r} cannot be used: {_line(str(error))}") from error
        if about.get("is") == "failed":
            raise EngineError(f"[engine] device = {self._device!r}: {_line(str(about.get('text')))}")
        if about["missing"]:
            raise MissingExtra(_missing(self._python, about["missing"]))
        if (found := about["versions"]["imagen-pytorch"]) != VERSION:
            raise EngineError(f"imagen-pytorch {found} is installed, engine 'imagen' knows {VERSION}. Run: {INSTALL}")
        self._about = about
        return about


class Unloadable(Exception):
    """Why all shots of a model fail.

    Attributes:
        reason: for tables.
    """

    def __init__(self, text: str, reason: Reason = "error") -> None:
        super().__init__(text)
        self.reason: Reason = reason


def _missing(python: str, names: Sequence[str]) -> str:
    are = "is" if len(names) == 1 else "are"
    return (
        f"{', '.join(names)} {are} not installed for {python}. Run: {INSTALL}."
        " Without --no-deps pip brings a torchvision, and one that does not fit the torch here breaks transformers."
        f" Another interpreter will do, too: export {VARIABLE}=/path/to/python"
    )


def _failure(shot: Shot, header: Mapping[str, Any]) -> Failure:
    asked = str(header.get("reason"))
    reason = cast("Reason", asked) if asked in get_args(Reason) else "error"
    text = _line(str(header.get("text")))
    if header.get("phase") == "load":
        raise Unloadable(f"the model cannot be loaded: {text}", reason)
    return Failure(shot, reason, text, retryable=bool(header.get("retryable")))


def _pixels(shot: Shot, header: Mapping[str, Any], body: bytes, side: int) -> NDArray[np.uint8] | Failure:
    """The picture uint8 [H, W, 3], out of float32 [3, H, W] in 0..1; or why it is none."""
    import numpy as np

    shape = header.get("shape")
    if shape != [3, side, side] or len(body) != 4 * math.prod(shape):
        return Failure(shot, "invalid", f"the process gave no picture of {side} × {side} pixels but {shape}")
    planes = np.frombuffer(body, np.float32).reshape(shape)
    if not np.isfinite(planes).all():
        return Failure(shot, "nan", "the picture holds values that are not finite", retryable=False)
    # Cut and not rounded, as torchvision's ToPILImage does, so that the pixels are those of `return_pil_images`.
    pixels = np.ascontiguousarray((planes * np.float32(255)).clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
    return Failure(shot, "blank", "the picture has one colour", retryable=False) if is_blank(pixels) else pixels


def _line(text: str) -> str:
    """One printable line of the first characters."""
    line = " ".join(text.split())[:MOST_TEXT]
    return line.encode("utf-8", "backslashreplace").decode("utf-8")
