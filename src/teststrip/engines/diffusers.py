"""Engine `diffusers`: any text-to-image pipeline of Diffusers, from the embedded model to a name on the hub.

Its knobs are the arguments of the pipeline's own call. This file joins what `teststrip.diffusion` knows: the class and
its arguments (read, not imported), the model's files, the pipelines in memory, many shots on one of them at once or one
by one. The first `render` imports torch. To add a knob: nothing to do, if a pipeline has it; bounds and a sentence go
into `diffusion.pipelines`. To add an option: a line in `diffusion.offered`, and an argument of its name and default.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, groupby
from typing import ClassVar, Literal

from teststrip.diffusion import (
    adapting,
    additions,
    backends,
    failures,
    guiders,
    inputs,
    inversions,
    loading,
    loras,
    merging,
    models,
    noise,
    offered,
    part_loading,
    part_options,
    parts,
    pipelines,
    rehearsal,
    schedule,
    scheduler_options,
    schedulers,
    step_lists,
    tasks,
    unheeded,
    weighting,
    windows,
)
from teststrip.diffusion.asked import Asked
from teststrip.diffusion.batches import Batches, BatchFailure
from teststrip.diffusion.experience import Experience
from teststrip.diffusion.failures import CannotAdapt, CannotLoad
from teststrip.diffusion.model_cache import ModelCache
from teststrip.diffusion.order import WEIGHTS, files_key, load_key, model_by_model, turns, weights_key
from teststrip.diffusion.plain import PlainCalls
from teststrip.errors import EngineError, StudyError, among
from teststrip.plugins import missing, version_of
from teststrip.records import Failure, Fingerprint, Reading, Render, Seeds, Setting, Shot, Value, by_name
from teststrip.vocabulary import GUIDER
from teststrip.weights.digests import Digests


class DiffusersEngine:
    """Calls a pipeline once for each shot; the calls meet at the denoiser, unless `batch` is 1.

    `options` describes the arguments.
    """

    options: ClassVar[Mapping[str, Setting]] = by_name(*offered.OPTIONS)
    operation: ClassVar[frozenset[str]] = frozenset({"device", "offload", "keep", "batch"})
    seeds: ClassVar[Seeds] = "exact"
    loads: ClassVar[frozenset[str]] = WEIGHTS
    recipes: ClassVar[Mapping[int, str]] = noise.RECIPES

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
        quantization: str | None = None,
        attention: str | None = None,
        cache: str | None = None,
        transformer: str | None = None,
        unet: str | None = None,
        vae: str | None = None,
        text_encoder: str | None = None,
        text_encoder_2: str | None = None,
        text_encoder_3: str | None = None,
    ) -> None:
        given = (transformer, unet, vae, text_encoder, text_encoder_2, text_encoder_3)
        replaced = tuple((name, where) for name, where in zip(parts.NAMES, given, strict=True) if where)
        self._parts = parts.Parts(quantization, attention, cache, replaced)
        self._dtype = dtype
        self._variant = variant or None
        self._safety_checker = safety_checker
        self._asked_device = device
        self._offload = offload
        self._rows: int | Literal["auto"] = "auto" if batch is None else batch
        self._asked_backend = backend
        self._device = ""
        self._batches: Batches | None = None
        self._experience = Experience()
        self._finishing = False
        self._digests = Digests()
        self._asked = Asked(config or None, self._variant, self._parts)
        self._fingerprints: dict[object, Fingerprint] = {}
        self._keep = keep
        self._loaded = ModelCache(keep)

    @property
    def settings(self) -> Mapping[str, Setting]:
        """The knobs of all text-to-image pipelines of the installed Diffusers; `check` says which ones a model has."""
        return by_name(*offered.every())

    def check(self, settings: Mapping[str, Value]) -> None:
        """Raise StudyError for a model, scheduler or LoRA that cannot be used, or a knob that the pipeline lacks.

        Raises:
            EngineError: a file of weights is damaged or could run code, or a hub model is neither here nor reached.
        """
        tasks.check(settings)
        model = self._asked.model(settings)
        pipeline = self._asked.pipeline(model)
        if pipeline is None:
            return  # Diffusers is not installed: a study can be planned, and `render` says what to install
        has = {*pipeline.knobs, *(setting.name for setting in offered.SETTINGS)}
        for name, value in settings.items():
            option = name.startswith((scheduler_options.PREFIX, guiders.PREFIX))
            if name not in has and value is not None and not option:
                hint = tasks.hint(name, settings) or among(name, sorted(has), "It has")
                raise StudyError(f"{name}: {pipeline.name} has no such setting{hint}")
        own, config = model.scheduler
        schedulers.check(settings, own, {**config, **scheduler_options.asked(settings)}, model.pipeline)
        scheduler_options.check(settings, str(settings.get("scheduler") or own), model.pipeline)
        step_lists.check(settings, pipeline, own)
        sampling = self._asked.sampling(model, settings)
        guiders.check(settings, pipeline, model.config, offload=self._offload)
        guiders.check_steps(settings, sampling)
        windows.check(settings, pipeline)
        additions.check(settings, model, pipeline)
        tasks.check_steps(pipeline, settings, sampling[1])
        device = loading.foreseen_device(self._asked_device)
        dtype = loading.resolved_dtype(self._dtype, device, model, self._parts.quantization)
        part_options.check(
            self._parts,
            self._asked.parts(model),
            model,
            pipeline,
            settings,
            device=device,
            dtype=dtype,
            offload=self._offload,
            backend=self._asked_backend,
        )
        backends.check(self._asked_backend, device=device, dtype=dtype, plain=self._rows == 1)
        why = merging.why_alone(pipeline, settings, self._offload, self._parts)
        if why and self._asked_backend in backends.OTHER_PICTURES:
            raise StudyError(f"backend: {self._asked_backend!r} works on batches, and {why}. Leave backend out")
        self._asked.check_weights(model, settings)
        inversions.check(settings, model, pipeline, self._offload)
        weighting.check(settings, model, pipeline, self._offload)

    def names(self) -> Mapping[str, Sequence[str]]:
        """The scheduler classes and schedules of the installed Diffusers; a model takes those that fit its own."""
        return {"scheduler": schedulers.names(), "schedule": step_lists.names(), "guider": guiders.names()}

    def grouped(self, settings: Mapping[str, Value]) -> Mapping[str, Sequence[Setting]]:
        """What the model of these settings takes, with the defaults of its pipeline and its scheduler.

        Raises:
            StudyError: there is no such model, or the scheduler does not fit it.
            EngineError: the model is damaged, or a hub model is neither here nor reached.
        """
        if not settings.get("model"):
            return offered.of_any_model()
        model = self._asked.model(settings)
        return offered.of(model, self._asked.pipeline(model), settings)

    def remark(self, settings: Mapping[str, Value]) -> str:
        """Says which shots get another schedule than their steps name, and which share no forwards; each with why."""
        model = self._asked.model(settings)
        pipeline = self._asked.pipeline(model)
        ask = pipeline and self._rows != 1
        why = merging.why_alone(pipeline, settings, self._offload, self._parts) if pipeline and ask else ""
        alone = [f"made one after another, not in batches: {why}"] if why else []
        sampling = self._asked.sampling(model, settings)
        dead = unheeded.remarks(pipeline, settings, model, sampling) if pipeline else ()
        listed = step_lists.asked(settings, model.pipeline)
        size = filter(None, [tasks.remark(pipeline, settings) if pipeline else ""])
        return "\n".join([*(() if listed else schedule.remarks(*sampling)), *dead, *size, *alone])

    def read(self, settings: Mapping[str, Value], texts: Sequence[str]) -> Sequence[Reading]:
        """What the model's own tokenizers read of these texts, where they are on this disk."""
        return self._asked.read(settings, texts)

    def words(self, settings: Mapping[str, Value]) -> Sequence[str]:
        """The words of prompts that textual inversions stand for."""
        return tuple(one.token for one in inversions.asked(settings))

    def rehearse(self, settings: Mapping[str, Value]) -> str:
        """Asks the scheduler to take the steps, and the pipeline to check the settings, both without weights.

        Returns:
            What they refuse, as a message that begins with the setting; "" also where Diffusers is not installed.
        """
        model = self._asked.model(settings)
        pipeline = self._asked.pipeline(model)
        if pipeline is None or not loading.installed():
            return ""
        misfits = (part_loading.misfit(part, model.home) for part in self._asked.parts(model).values())
        if misfit := next(filter(None, misfits), ""):
            return misfit
        name, steps, _ = self._asked.sampling(model, settings)
        options, listed = scheduler_options.asked(settings), step_lists.asked(settings, model.pipeline)
        # The embedded model's own scheduler takes any number of steps, and its studies are planned in an instant.
        ours = model.name == models.EMBEDDED and name == model.scheduler[0] and not options and not listed
        if ours:
            return inputs.objection(pipeline, model, settings)
        return (
            rehearsal.refusal(model.scheduler, name, options)
            or rehearsal.objection(pipeline, model.scheduler, name, steps, options, listed)
            or inputs.objection(pipeline, model, settings)
        )

    def attempt(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """Makes each shot by a plain call in as few steps as its scheduler takes: seconds, and the memory of a picture.

        Raises:
            EngineError: the device is not there.
            MissingExtra: torch, diffusers or transformers is not installed.
        """
        self._resolved_device()
        for shot in shots:
            try:
                loaded = self._load(shot)
            except CannotLoad as error:
                yield failures.at_loading(shot, error)
                continue
            pipeline = self._loaded_pipeline(loaded)
            name, steps, _ = self._asked.sampling(loaded.model, shot.settings)
            options = scheduler_options.asked(shot.settings)
            least = rehearsal.least_steps(pipeline, loaded.model.scheduler, name, steps, options)
            least = max(least, tasks.fewest_steps(pipeline, shot.settings, steps))
            fewer = {"num_inference_steps": least} if "num_inference_steps" in pipeline.knobs else {}
            yield self._plain(loaded).render(Shot(shot.engine, {**shot.settings, **fewer}, shot.files))

    def calls(self, settings: Mapping[str, Value]) -> int:
        """Denoiser rows of one shot: the scheduler's calls, times the rows that this pipeline's guidance makes."""
        model = self._asked.model(settings)
        pipeline = self._asked.pipeline(model)
        name, steps, config = self._asked.sampling(model, settings)
        if pipeline is None:
            return schedulers.calls(name, steps, config) * 2
        calls = schedulers.calls(name, tasks.steps_left(pipeline, settings, steps), config)
        if settings.get(GUIDER) is not None:
            return guiders.rows(settings, pipeline, calls)
        spared = windows.rows_less(settings, calls) if pipeline.guided(settings, model.config) else 0
        return calls * pipeline.rows(settings, model.config) - spared + pipeline.rows_before(settings)

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """Weights, scheduler and configuration, number format, device, versions. Reads files, loads nothing."""
        names = ("model", "revision", "scheduler", "schedule", "lora", "textual_inversion", weighting.SETTING, "eta")
        options = scheduler_options.asked(shot.settings)
        added = additions.Additions.of(shot.settings)
        key = (*(shot.settings.get(name) for name in names), tasks.given(shot.settings), added, *options.items())
        if key not in self._fingerprints:
            model = self._asked.model(shot.settings)
            device = self._resolved_device()
            own, config = model.scheduler
            listed = step_lists.asked(shot.settings, model.pipeline)
            self._fingerprints[key] = Fingerprint(
                {
                    "engine": "diffusers",
                    "pipeline": model.pipeline,
                    "weights": model.identity(self._digests, self._variant),
                    "scheduler": {
                        "class": shot.settings.get("scheduler") or own,
                        "config": dict(config),
                        **({"options": options} if options else {}),
                    },
                    **({"schedule": {listed.argument: list(listed.values)}} if listed else {}),
                    "lora": loras.described(shot.settings, self._digests),
                    **inversions.described(shot.settings, self._digests),
                    **added.identity(self._digests),
                    **part_options.identity(self._parts, self._asked.parts(model), self._digests, self._variant),
                    **weighting.described(shot.settings),
                    "dtype": self._resolved_dtype(model),
                    "device": device,
                    "versions": {name: version_of(name) for name in ("torch", "diffusers", "transformers")},
                    "batching": self._batching(),
                    "backend": backends.described(self._backend(model)),
                    **noise.recipe(self._asked.pipeline(model), own, {**config, **options}, shot.settings),
                }
            )
        return self._fingerprints[key]

    def turns(self, cells: Sequence[Mapping[str, Value]]) -> Sequence[int]:
        """Model by model where a study has more models than `keep`, LoRA by LoRA where it has many."""
        return turns(cells, self._keep)

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer a shot, model by model among the next few shots.

        Where a model or a LoRA cannot be loaded, each of its shots is answered with the reason; the others are made.

        Raises:
            EngineError: the device is not there.
            MissingExtra: torch, diffusers or transformers is not installed.
        """
        self._finishing = False
        self._resolved_device()
        unloadable: dict[tuple[object, ...], CannotLoad] = {}
        for _, group in groupby(model_by_model(iter(shots)), key=weights_key):
            if self._finishing:
                return
            alike = iter(group)
            first = next(alike)
            together = chain((first,), alike)
            # More shots of a model or of its LoRAs come later, and once is enough.
            model, files = load_key(first.settings), files_key(first.settings)
            failed = unloadable.get(model) or unloadable.get(files)
            loaded: loading.Loaded | None = None
            if failed is None:
                try:
                    loaded = self._load(first)
                except CannotLoad as error:
                    failed = error.alone()
                    unloadable[files if isinstance(error, CannotAdapt) else model] = failed
            if loaded is None:
                assert failed is not None
                yield from (failures.at_loading(shot, failed) for shot in together)
                continue
            yield from self._one_by_one(loaded, together) if self._plainly else self._batched(loaded, first, together)
            self._batches = loaded = None  # both hold the pipeline, whose memory the next model may need

    def expect(self, shots: int, calls: float) -> None:
        """Look for the number of rows as if this engine had to make so many shots of the weights that it is asked for.

        Args:
            shots: of all workers, made ones included; from now on.
            calls: denoiser rows of them all.
        """
        self._experience.expect(shots, calls)

    def finish(self) -> None:
        """Begin no further shot; those under way are answered, and then `render` ends."""
        self._finishing = True
        if self._batches:
            self._batches.stop()

    def close(self) -> None:
        """Forget the models and give their memory back; the next `render` loads anew."""
        self._batches = None  # it holds a pipeline
        self._loaded.clear()

    def _one_by_one(self, loaded: loading.Loaded, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        plain = self._plain(loaded)
        for shot in shots:
            yield plain.render(shot)
            if self._finishing:
                return

    def _batched(self, loaded: loading.Loaded, first: Shot, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        backend = self._backend(loaded.model)
        identity = backends.identity_of(self.fingerprint(first).facts, loaded.adapted, first.settings)
        try:
            forwards = backends.forwards(backend, loaded.pipe, identity)
        except ModuleNotFoundError as error:
            raise missing(error) from error
        self._batches = batches = Batches(
            loaded,
            self._loaded_pipeline(loaded),
            rows=self._rows,
            backend=backend,
            forwards=forwards,
            fingerprint=self.fingerprint,
            length=lambda shot: self.calls(shot.settings),
            experience=self._experience,
        )
        for answer in batches.render(shots):
            yield self._retried(loaded, answer) if isinstance(answer, BatchFailure) else answer

    def _retried(self, loaded: loading.Loaded, failure: BatchFailure) -> Render | Failure:
        """The plain way, where it has a remedy; else the failure."""
        half = loaded.dtype != "float32"
        same = self._backend(loaded.model) not in backends.OTHER_PICTURES
        if same and (failure.reason == "oom" or (failure.reason == "nan" and half)):
            return self._plain(loaded).render(failure.shot)
        if failure.reason == "nan":
            return failures.not_finite(failure.shot)
        return failures.of(failure.shot, failure.error)

    def _plain(self, loaded: loading.Loaded) -> PlainCalls:
        return PlainCalls(
            loaded,
            self._loaded_pipeline(loaded),
            fingerprint=self.fingerprint,
            make_room=partial(self._loaded.keep_only, loaded),
        )

    def _load(self, shot: Shot) -> loading.Loaded:
        """The pipeline of a shot, with the LoRAs of the shot on."""
        device, key = self._resolved_device(), load_key(shot.settings)
        try:
            model = self._asked.model(shot.settings)
        except (StudyError, EngineError) as error:
            raise CannotLoad(str(error)) from error
        try:
            loaded = self._loaded.get(
                key,
                lambda: loading.load(
                    model,
                    device=device,
                    dtype=self._resolved_dtype(model),
                    variant=self._variant,
                    offload=self._offload,
                    safety_checker=self._safety_checker,
                    parts=self._parts,
                    added=additions.Additions.of(shot.settings),
                ),
            )
            adapting.adapt(loaded, loras.asked(shot.settings))
            inversions.put_on(loaded, inversions.asked(shot.settings))
            additions.scale(loaded.pipe, shot.settings)
        except ModuleNotFoundError as error:
            raise missing(error) from error
        except CannotLoad as error:
            failed = error.alone()
        else:
            return loaded
        self._loaded.forget(key)  # it may hold a part of a LoRA
        raise failed

    def _backend(self, model: models.Model) -> str:
        if self._plainly or self._parts.packed:
            return "torch"
        dtype = self._resolved_dtype(model)
        return backends.resolved(self._asked_backend, device=self._resolved_device(), dtype=dtype)

    @property
    def _plainly(self) -> bool:
        """Whether each picture is made by a plain call, of whatever model."""
        return self._rows == 1 or bool(self._parts.why_alone)

    def _batching(self) -> str:
        # The number that "auto" finds stands in each image's facts: another one changes a picture by rounding only, and
        # must not part the images of a study whose memory ran short in the middle.
        if self._plainly:
            return "one call a picture"
        return "fixed rows" if self._rows == "auto" else f"fixed rows: {self._rows}"

    def _loaded_pipeline(self, loaded: loading.Loaded) -> pipelines.PipelineClass:
        found = self._asked.pipeline(loaded.model)
        assert found is not None
        return found

    def _resolved_dtype(self, model: models.Model) -> str:
        return loading.resolved_dtype(self._dtype, self._resolved_device(), model, self._parts.quantization)

    def _resolved_device(self) -> str:
        self._device = self._device or loading.resolved_device(self._asked_device)
        return self._device
