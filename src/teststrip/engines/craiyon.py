"""Engine `craiyon`: DALL·E mini and mega on this machine, from a folder of safetensors.

Craiyon's own service has no official interface, and these are the models with open weights that it grew out of. This
file joins what `teststrip.dalle_mini` knows with shots: the model that is in memory, the facts of a picture, and what
goes wrong. The first `render` imports torch. One picture is made at a time, because a row of a wider batch is rounded
by its place, and a single token that is drawn otherwise changes all that follow.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, cast

from teststrip.dalle_mini import folder, text
from teststrip.diffusion import failures, loading, shooting
from teststrip.diffusion.safety import read_header
from teststrip.errors import EngineError, StudyError
from teststrip.plugins import missing, version_of
from teststrip.records import (
    Encoded,
    Failure,
    Fingerprint,
    Reading,
    Render,
    Seeds,
    Setting,
    Shot,
    Value,
    by_name,
    digest_of,
)
from teststrip.weights.digests import Digests
from teststrip.weights.loading import DEVICE

if TYPE_CHECKING:
    from teststrip.dalle_mini.sampling import Draw, Model

LESS_MEMORY: Final = 'Write [engine] dtype = "float16", or device = "cpu"'


class CraiyonEngine:
    """Draws the image tokens of each shot with noise of its own, and decodes them.

    `options` describes the arguments.
    """

    options: ClassVar[Mapping[str, Setting]] = by_name(
        Setting(
            "dtype",
            "str",
            "auto",
            choices=("auto", "float32", "float16", "bfloat16"),
            doc="Number format of encoder and decoder; auto is float32 on a CPU, else float16.",
        ),
        DEVICE,
    )
    operation: ClassVar[frozenset[str]] = frozenset({"device"})
    seeds: ClassVar[Seeds] = "exact"
    loads: ClassVar[frozenset[str]] = frozenset({"model"})
    settings: ClassVar[Mapping[str, Setting]] = by_name(
        Setting("prompt", "str", doc="What to draw, in English; beyond ASCII only emoji are read."),
        Setting("model", "str", is_name=True, doc="A folder with config.json, vocabulary and three .safetensors."),
        Setting("seed", "int", 0, low=0, high=2**32 - 1, doc="Of the noise that image tokens are drawn with."),
        Setting(
            "temperature", "float", 1.0, low=0.001, high=100, doc="Above 1 unlikely image tokens are drawn more often."
        ),
        Setting("top_k", "int", 256, low=1, high=2**14, doc="So many of the likeliest image tokens are drawn from."),
        Setting(
            "supercondition_factor",
            "float",
            16.0,
            low=0,
            high=1000,
            doc="How far beyond the picture of the empty prompt to go; 1 is the model without guidance.",
        ),
    )

    def __init__(self, *, dtype: str = "auto", device: str = "auto") -> None:
        self._asked_dtype = dtype
        self._asked_device = device
        self._device = ""
        self._digests = Digests()
        self._folders: dict[str, folder.Folder] = {}
        self._fingerprints: dict[str, Fingerprint] = {}
        self._loaded: tuple[str, Model] | None = None

    def check(self, settings: Mapping[str, Value]) -> None:
        """Check the model by its configuration and headers, and the settings against its sizes.

        Raises:
            StudyError: there is no such model, or it has fewer image tokens than top_k.
            EngineError: a file of the model is damaged, or does not fit the others.
        """
        sizes = self._folder(settings).sizes
        top_k = int(self._number(settings, "top_k"))
        # The default is what the published models want, and means all tokens of a smaller one.
        if top_k > sizes.codes and top_k != self.settings["top_k"].default:
            raise StudyError(f"top_k: {top_k} is above the {sizes.codes} image tokens of this model. Write fewer")

    def remark(self, settings: Mapping[str, Value]) -> str:
        """Says what has no effect beside other settings."""
        clauses = []
        if self._number(settings, "supercondition_factor") == 0:
            clauses.append("do not heed the prompt: at supercondition_factor 0 the model reads the empty prompt")
        if self._number(settings, "top_k") == 1:
            clauses.append("do not heed seed and temperature: at top_k 1 only the likeliest image token is left")
        return "\n".join(clauses)

    def read(self, settings: Mapping[str, Value], texts: Sequence[str]) -> Sequence[Reading]:
        """What the model's tokenizer reads of these texts."""
        found = self._folder(settings)
        return [_reading(found, _with_names(one)) for one in texts]

    def rehearse(self, settings: Mapping[str, Value]) -> str:
        """Says which package is missing for the prompt; "" where it can be read."""
        try:
            text.without_emoji(str(settings.get("prompt") or ""))
        except ModuleNotFoundError as error:
            return _emoji(error)
        return ""

    def calls(self, settings: Mapping[str, Value]) -> int:
        """Decoder rows of one shot: two for each image token, one where only one of the two texts counts."""
        factor = self._number(settings, "supercondition_factor")
        return self._folder(settings).sizes.image_tokens * (1 if factor in (0, 1) else 2)

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """The digests of all files, number format, device, version of torch. Reads files, loads nothing."""
        name = str(shot.settings.get("model"))
        if name not in self._fingerprints:
            place = self._folder(shot.settings).place
            self._fingerprints[name] = Fingerprint(
                {
                    "engine": "craiyon",
                    "weights": {file: self._digests.of(place / file) for file in folder.FILES},
                    "dtype": self._dtype,
                    "device": self._resolved_device(),
                    "versions": {"torch": version_of("torch")},
                }
            )
        return self._fingerprints[name]

    def turns(self, cells: Sequence[Mapping[str, Value]]) -> Sequence[int]:
        """Model by model, because one stays in memory."""
        models = list(dict.fromkeys(cell.get("model") for cell in cells))
        return [models.index(cell.get("model")) for cell in cells]

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer a shot, in order. Where a model cannot be loaded, each of its shots is answered with the reason.

        Raises:
            EngineError: the device is not there.
            MissingExtra: torch or safetensors is not installed.
        """
        self._resolved_device()
        unloadable: dict[str, failures.CannotLoad] = {}
        for shot in shots:
            name = str(shot.settings.get("model"))
            if name not in unloadable:
                try:
                    model = self._model(shot)
                except failures.CannotLoad as error:
                    unloadable[name] = error.alone()
            yield failures.at_loading(shot, unloadable[name]) if name in unloadable else self._answer(shot, model)

    def close(self) -> None:
        """Forget the model and give its memory back; the next `render` looks at the files anew."""
        self._loaded = None
        self._folders.clear()
        self._fingerprints.clear()
        if self._device:
            loading.free(self._device)

    def _answer(self, shot: Shot, model: Model) -> Render | Failure:
        from teststrip.dalle_mini.sampling import NotFinite

        started = time.perf_counter()
        try:
            prompt = text.without_emoji(shot.prompt)
        except ModuleNotFoundError as error:
            return Failure(shot, "invalid", _emoji(error))
        try:
            tokens = model.tokens(model.folder.tokenizer.read(prompt).tokens, self._draw(shot.settings))
            colours = model.colours(tokens)
        except NotFinite as error:
            half = "" if self._dtype == "float32" else '. Write [engine] dtype = "float32"'
            return Failure(shot, "nan", f"{error}{half}", retryable=False)
        except Exception as error:  # the engine's edge: whatever goes wrong ends this shot alone
            return _failure(shot, error)
        read = _reading(model.folder, prompt)
        return shooting.finish(
            shot,
            colours,
            seconds=time.perf_counter() - started,
            fingerprint=self.fingerprint(shot),
            facts={
                "denoiser_calls": self.calls(shot.settings),
                "device": model.device,
                "dtype": self._dtype,
                "read": read.digest,
                **({"lost": read.lost} if read.lost else {}),
                **({"emoji": version_of("emoji")} if prompt != shot.prompt else {}),
            },
            checked=False,
        )

    def _draw(self, settings: Mapping[str, Value]) -> Draw:
        from teststrip.dalle_mini.sampling import Draw

        return Draw(
            seed=int(self._number(settings, "seed")),
            temperature=self._number(settings, "temperature"),
            top_k=int(self._number(settings, "top_k")),
            factor=self._number(settings, "supercondition_factor"),
        )

    def _model(self, shot: Shot) -> Model:
        """The model of a shot; another one is forgotten before it is loaded."""
        name = str(shot.settings.get("model"))
        if self._loaded and self._loaded[0] == name:
            return self._loaded[1]
        self._loaded = None
        loading.free(self._resolved_device())
        try:
            from teststrip.dalle_mini import sampling

            found = sampling.load(self._folder(shot.settings), device=self._resolved_device(), dtype=self._dtype)
        except ModuleNotFoundError as error:
            raise missing(error) from error
        except (StudyError, EngineError) as error:
            raise failures.CannotLoad(str(error)) from error
        except Exception as error:  # safetensors and torch raise many kinds
            failed = _failure(shot, error)
            raise failures.CannotLoad(f"{name}: {failed.text}", failed.reason) from error
        self._loaded = (name, found)
        return found

    def _folder(self, settings: Mapping[str, Value]) -> folder.Folder:
        """The model's folder, checked once."""
        name = settings.get("model")
        if not name:
            raise StudyError(f"model: name a folder with {', '.join(folder.FILES)}. {folder.GUIDE}")
        if str(name) not in self._folders:
            self._folders[str(name)] = folder.find(str(name), read_header)
        return self._folders[str(name)]

    def _number(self, settings: Mapping[str, Value], name: str) -> float:
        value = settings.get(name)
        return cast("float", self.settings[name].default if value is None else value)

    @property
    def _dtype(self) -> str:
        if self._asked_dtype != "auto":
            return self._asked_dtype
        return "float32" if self._resolved_device() == "cpu" else "float16"

    def _resolved_device(self) -> str:
        self._device = self._device or loading.resolved_device(self._asked_device)
        return self._device


def _with_names(prompt: str) -> str:
    """The text with names of emoji where the package is there that knows them; else they are among what is lost."""
    try:
        return text.without_emoji(prompt)
    except ModuleNotFoundError:
        return prompt


def _reading(found: folder.Folder, prompt: str) -> Reading:
    read = found.tokenizer.read(prompt)
    encoder = Encoded("tokenizer", read.whole, found.sizes.text_tokens, read.lost)
    return Reading(digest_of(list(read.tokens))[:16], (encoder,))


def _emoji(error: ModuleNotFoundError) -> str:
    return f"the prompt has emoji, which the model reads by their names, and {missing(error)}"


def _failure(shot: Shot, error: Exception) -> Failure:
    """As other engines say it, but with a remedy of this one where memory ran out."""
    failure = failures.of(shot, error)
    said = failure.text.replace(failures.LESS_MEMORY, LESS_MEMORY)
    return Failure(shot, failure.reason, said, failure.retryable)
