"""Engine `diffusers`: any text-to-image pipeline of Diffusers, from the embedded model to a name on the hub.

Its knobs are the arguments of the pipeline's own call. This file joins what `teststrip.diffusion` knows: the class and
its arguments (read, not imported), the model's files, the pipeline in memory, many shots on it at once or one. Torch is
imported by the first `render`. To add a knob: nothing to do, if a pipeline has it; bounds and a sentence go into
`diffusion.pipelines`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, groupby, islice
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final, Literal, cast

from teststrip.diffusion import backends, failures, loading, merging, models, pipelines, schedulers, shooting, source
from teststrip.diffusion.batches import Batches, BatchFailure
from teststrip.diffusion.safety import read_header
from teststrip.errors import StudyError
from teststrip.plugins import missing, nearest
from teststrip.records import Failure, Fingerprint, Render, Setting, Shot, Value
from teststrip.weights.digests import Digests

OWN_SETTINGS: Final = (
    Setting("model", "str", models.EMBEDDED, doc="'emoji' (embedded), a folder, a .safetensors file, or a hub name."),
    Setting("revision", "str", optional=True, doc="Branch, tag or commit of a hub name."),
    Setting("seed", "int", low=0, high=2**32 - 1, doc="Of the noise, for this one picture."),
    Setting("scheduler", "str", optional=True, doc="Class that takes the steps; the model's own when left out."),
    Setting("lora", "str", optional=True, doc="A .safetensors file that adapts the model."),
    Setting(
        "lora_scale", "float", low=-10, high=10, optional=True, doc="How strongly the lora adapts; 1 = as trained."
    ),
)
"""What a pipeline's call does not take, but a study can set."""

AHEAD: Final = 64
"""Shots looked at ahead of time, to load a model once for all of them."""


def _by_name(*settings: Setting) -> Mapping[str, Setting]:
    return MappingProxyType({setting.name: setting for setting in settings})


class DiffusersEngine:
    """Calls a pipeline once for each shot; the calls meet at the denoiser, unless `batch` is 1.

    Args:
        dtype: number format of the weights; "auto" is float32 on a CPU, else float16 for U-Nets, bfloat16 for
            transformers.
        variant: of the weight files, as in `diffusion_pytorch_model.fp16.safetensors`; "" = the plain ones.
        config: folder with the configuration of a single-file model; "" = Diffusers fetches it from the hub.
        safety_checker: whether the checker that comes with a model looks at its pictures.
        device: "auto" is cuda, else mps, else cpu.
        offload: what waits in main memory: "none", "model" (whole models), "sequential" (layers; slow).
        keep: how many models stay in memory when the model is an axis.
        batch: rows of each forward of the denoiser; None or "auto" finds the best number; 1 = one plain call a picture.
        backend: what computes those forwards: "torch", "compile", "openvino", "openvino-bf16" (other pictures), or
            "auto": the fastest that makes the pictures of PyTorch.
    """

    options: ClassVar[Mapping[str, Setting]] = _by_name(
        Setting(
            "dtype",
            "str",
            "auto",
            choices=("auto", "float32", "float16", "bfloat16"),
            doc="Number format of the weights.",
        ),
        Setting("variant", "str", "", doc='Which weight files, for example "fp16".'),
        Setting("config", "str", "", doc="Folder with the configuration of a single-file model."),
        Setting("safety_checker", "bool", default=True, doc="Whether a model's safety checker looks at the pictures."),
        Setting("device", "str", "auto", choices=("auto", "cuda", "mps", "cpu"), doc="Where the model runs."),
        Setting(
            "offload",
            "str",
            "none",
            choices=("none", "model", "sequential"),
            doc="What waits in main memory while it is not needed.",
        ),
        Setting("keep", "int", 2, low=1, high=64, doc="Models kept in memory when the model is an axis."),
        Setting(
            "batch",
            "int",
            low=1,
            high=1024,
            choices=("auto",),
            doc="Rows of each forward of the denoiser; found by itself when left out; 1 = one plain call a picture.",
        ),
        Setting("backend", "str", "torch", choices=backends.NAMES, doc="What computes the denoiser's forwards."),
    )
    operation: ClassVar[frozenset[str]] = frozenset({"device", "offload", "keep", "batch"})

    def __init__(
        self,
        *,
        dtype: str = "auto",
        variant: str = "",
        config: str = "",
        safety_checker: bool = True,
        device: str = "auto",
        offload: str = "none",
        keep: int = 2,
        batch: int | Literal["auto"] | None = None,
        backend: str = "torch",
    ) -> None:
        self._dtype = dtype
        self._variant = variant or None
        self._config = config or None
        self._safety_checker = safety_checker
        self._asked_device = device
        self._offload = offload
        self._keep = keep
        self._rows: int | Literal["auto"] = "auto" if batch is None else batch
        self._asked_backend = backend
        self._device = ""
        self._batches: Batches | None = None
        self._finishing = False
        self._digests = Digests()
        self._models: dict[tuple[str, str | None], models.Model] = {}
        self._fingerprints: dict[tuple[Value, ...], Fingerprint] = {}
        self._loaded: dict[tuple[str, str | None], loading.Loaded] = {}

    # --- what is known without weights -------------------------------------------------------------------------

    @property
    def settings(self) -> Mapping[str, Setting]:
        """The knobs of all text-to-image pipelines of the installed Diffusers; `check` says which one a model has."""
        return _by_name(*pipelines.knobs().values(), *OWN_SETTINGS)

    def check(self, settings: Mapping[str, Value]) -> None:
        """Raise StudyError for a model or scheduler that does not exist, or a knob that the model's pipeline lacks."""
        model = self._model(settings)
        pipeline = self._pipeline(model)
        if pipeline is None:
            return  # Diffusers is not installed: a study can be planned, and `render` says what to install
        has = {*pipeline.knobs, *(setting.name for setting in OWN_SETTINGS)}
        for name, value in settings.items():
            if name not in has and value is not None:
                raise StudyError(
                    f"{name}: {pipeline.name} has no such setting{nearest(name, has)}. It has: {', '.join(sorted(has))}"
                )
        schedulers.check(settings, *model.scheduler, model.pipeline)
        device = self._resolved_device()
        dtype = loading.resolved_dtype(self._dtype, device, model)
        backends.check(self._asked_backend, device=device, dtype=dtype, plain=self._rows == 1)
        why = merging.why_alone(pipeline, settings, self._offload)
        if why and self._asked_backend in backends.OTHER_PICTURES:
            raise StudyError(f"backend: {self._asked_backend!r} works on batches, and {why}. Leave backend out")
        if lora := settings.get("lora"):
            self._check_lora(str(lora))

    def remark(self, settings: Mapping[str, Value]) -> str:
        """That shots with these settings are made one after another, and why; "" when they share forwards."""
        pipeline = self._pipeline(self._model(settings))
        why = merging.why_alone(pipeline, settings, self._offload) if pipeline and self._rows != 1 else ""
        return f"made one after another, not in batches: {why}" if why else ""

    def calls(self, settings: Mapping[str, Value]) -> int:
        """Denoiser rows of one shot: the scheduler's calls, times the rows that this pipeline's guidance makes."""
        model = self._model(settings)
        pipeline = self._pipeline(model)
        default = pipeline.knobs.get("num_inference_steps") if pipeline else None
        steps = settings.get("num_inference_steps") or (default.default if default else None) or 50
        name, config = model.scheduler
        calls = schedulers.calls(str(settings.get("scheduler") or name), int(steps), config)
        return calls * (pipeline.rows(settings, model.config) if pipeline else 2)

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """Weights, scheduler and configuration, number format, device, versions. Reads files, loads nothing."""
        names = ("model", "revision", "scheduler", "lora")
        key = tuple(shot.settings.get(name) for name in names)
        if key not in self._fingerprints:
            model = self._model(shot.settings)
            device = self._resolved_device()
            own, config = model.scheduler
            lora = shot.settings.get("lora")
            self._fingerprints[key] = Fingerprint(
                {
                    "engine": "diffusers",
                    "pipeline": model.pipeline,
                    "weights": model.identity(self._digests, self._variant),
                    "scheduler": {"class": shot.settings.get("scheduler") or own, "config": dict(config)},
                    "lora": self._digests.of(Path(str(lora)).expanduser()) if lora else None,
                    "dtype": loading.resolved_dtype(self._dtype, device, model),
                    "device": device,
                    "versions": {name: _version(name) for name in ("torch", "diffusers", "transformers")},
                    "batching": self._batching(),
                    "backend": backends.described(self._backend(model)),
                }
            )
        return self._fingerprints[key]

    # --- pictures ------------------------------------------------------------------------------------------------

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer a shot, model by model among the next few shots.

        Raises:
            EngineError: a model cannot be loaded.
            MissingExtra: torch, diffusers or transformers is not installed.
        """
        self._finishing = False
        for _, group in groupby(_model_by_model(iter(shots)), key=_weights_key):
            if self._finishing:
                return
            alike = iter(group)
            first = next(alike)
            loaded = self._load(first)
            together = chain((first,), alike)
            yield from self._one_by_one(loaded, together) if self._rows == 1 else self._batched(loaded, first, together)

    def finish(self) -> None:
        """Begin no further shot; those under way are answered, and then `render` ends."""
        self._finishing = True
        if self._batches:
            self._batches.stop()

    def close(self) -> None:
        """Forget the models and give their memory back."""
        if self._loaded:
            self._loaded.clear()
            loading.free(self._device)

    def _one_by_one(self, loaded: loading.Loaded, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        for shot in shots:
            with loading.silence():
                answer = self._shoot(loaded, shot)
            yield answer
            if self._finishing:
                return

    def _batched(self, loaded: loading.Loaded, first: Shot, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        pipeline = self._pipeline(loaded.model)
        assert pipeline is not None
        backend = self._backend(loaded.model)
        identity = backends.identity_of(self.fingerprint(first).facts, loaded.adapted)
        try:
            forwards = backends.forwards(backend, loaded.pipe, identity)
        except ModuleNotFoundError as error:
            raise missing(error) from error
        self._batches = batches = Batches(
            loaded,
            pipeline,
            rows=self._rows,
            backend=backend,
            forwards=forwards,
            fingerprint=self.fingerprint,
            length=lambda shot: self.calls(shot.settings),
        )
        for answer in batches.render(shots):
            yield self._mended(loaded, answer) if isinstance(answer, BatchFailure) else answer

    def _mended(self, loaded: loading.Loaded, broken: BatchFailure) -> Render | Failure:
        """The plain way, where it has a remedy; else the failure."""
        half = loaded.dtype != "float32"
        same = self._backend(loaded.model) not in backends.OTHER_PICTURES
        if same and (broken.reason == "oom" or (broken.reason == "nan" and half)):
            return next(self._one_by_one(loaded, (broken.shot,)))
        if broken.reason == "nan":
            return failures.not_finite(broken.shot)
        return failures.of(broken.shot, broken.error)

    def _shoot(self, loaded: loading.Loaded, shot: Shot) -> Render | Failure:
        """The plain way, with one more try where memory ran out or a half-precision decoder overflowed."""
        answer = self._plain(loaded, loaded.pipe, shot, {})
        if isinstance(answer, Failure) and answer.reason == "oom":
            for key in [key for key, other in self._loaded.items() if other is not loaded]:
                del self._loaded[key]
            loading.free(self._device)
            answer = self._plain(loaded, loaded.pipe, shot, {"retried": "oom"})
        half = loaded.dtype != "float32" and hasattr(loaded.pipe, "vae")
        if isinstance(answer, Failure) and answer.reason == "nan" and half:
            exact = shooting.with_exact_decoder(loaded.pipe)
            answer = self._plain(loaded, exact, shot, {"retried": "nan", "vae_dtype": "float32"})
        return answer

    def _plain(self, loaded: loading.Loaded, pipe: object, shot: Shot, facts: Mapping[str, object]) -> Render | Failure:
        pipeline = self._pipeline(loaded.model)
        assert pipeline is not None
        started = time.perf_counter()
        try:
            own = shooting.scheduler(loaded.pipe, cast("str | None", shot.settings.get("scheduler")))
            call = shooting.arguments(pipeline, shot.settings)
            picture, rows = shooting.expose(pipe, call, shot.seed, own)
        except Exception as error:  # the engine's edge: whatever goes wrong in a pipeline ends this shot alone
            return failures.of(shot, error)
        return shooting.finish(
            shot,
            picture,
            seconds=time.perf_counter() - started,
            fingerprint=self.fingerprint(shot),
            facts={
                "denoiser_calls": rows,
                "backend": "torch",
                "device": loaded.device,
                "dtype": loaded.dtype,
                **schedulers.facts_of(own),
                **facts,
            },
            checked=getattr(loaded.pipe, "safety_checker", None) is not None,
        )

    def _load(self, shot: Shot) -> loading.Loaded:
        key = _model_key(shot)
        loaded = self._loaded.pop(key, None)
        if loaded is None:
            model = self._model(shot.settings)
            device = self._resolved_device()
            while len(self._loaded) >= self._keep:
                del self._loaded[next(iter(self._loaded))]  # the one not used for longest
                loading.free(device)
            try:
                loaded = loading.load(
                    model,
                    device=device,
                    dtype=loading.resolved_dtype(self._dtype, device, model),
                    variant=self._variant,
                    offload=self._offload,
                    safety_checker=self._safety_checker,
                )
            except ModuleNotFoundError as error:
                raise missing(error) from error
        self._loaded[key] = loaded
        lora, scale = shot.settings.get("lora"), shot.settings.get("lora_scale")
        loading.adapt(loaded, str(lora) if lora else None, 1.0 if scale is None else float(scale))
        return loaded

    def _backend(self, model: models.Model) -> str:
        device = self._resolved_device()
        dtype = loading.resolved_dtype(self._dtype, device, model)
        return "torch" if self._rows == 1 else backends.resolved(self._asked_backend, device=device, dtype=dtype)

    def _batching(self) -> str:
        # The number that "auto" finds stands in each image's facts: another one changes a picture by rounding only, and
        # must not part the images of a study whose memory ran short in the middle.
        if self._rows == "auto":
            return "fixed rows"
        return "one call a picture" if self._rows == 1 else f"fixed rows: {self._rows}"

    # --- looking things up -----------------------------------------------------------------------------------------

    def _model(self, settings: Mapping[str, Value]) -> models.Model:
        key = _names(settings)
        if key not in self._models:
            self._models[key] = models.find(*key, self._config)
        return self._models[key]

    def _pipeline(self, model: models.Model) -> pipelines.PipelineClass | None:
        found = pipelines.find(model.pipeline)
        if found is None and source.package():
            raise StudyError(
                f"model: {model.name!r} is made for {model.pipeline}, which Diffusers {_version('diffusers')} does not"
                " have. Run: pip install -U diffusers"
            )
        if found and found.unfit:
            raise StudyError(
                f"model: {found.name} makes no pictures from text alone: {found.unfit}. Name another model"
            )
        return found

    def _check_lora(self, name: str) -> None:
        file = Path(name).expanduser()
        if file.suffix != ".safetensors" or not file.is_file():
            raise StudyError(f"lora: {name!r} is no .safetensors file. Download it and give its path")
        read_header(file)

    def _resolved_device(self) -> str:
        self._device = self._device or loading.resolved_device(self._asked_device)
        return self._device


def _names(settings: Mapping[str, Value]) -> tuple[str, str | None]:
    revision = settings.get("revision")
    return str(settings.get("model") or models.EMBEDDED), str(revision) if revision else None


def _model_key(shot: Shot) -> tuple[str, str | None]:
    return _names(shot.settings)


def _weights_key(shot: Shot) -> tuple[Value, ...]:
    """Equal for shots that the same weights answer."""
    return (*_model_key(shot), shot.settings.get("lora"), shot.settings.get("lora_scale"))


def _model_by_model(shots: Iterator[Shot]) -> Iterator[Shot]:
    """Shots in order, but those of one model, and of one LoRA on it, together among the next AHEAD."""
    while window := list(islice(shots, AHEAD)):
        models = {key: i for i, key in enumerate(dict.fromkeys(map(_model_key, window)))}
        weights = {key: i for i, key in enumerate(dict.fromkeys(map(_weights_key, window)))}
        yield from sorted(window, key=lambda shot: (models[_model_key(shot)], weights[_weights_key(shot)]))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
