"""What settings ask for, as far as it is known before anything is loaded: models, pipelines, schedulers, texts.

Each model is found, its headers are read and its tokenizers are opened once. Loads no weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from teststrip.diffusion import (
    inversions,
    loading,
    loras,
    models,
    pipelines,
    reading,
    scheduler_options,
    source,
    step_lists,
    tasks,
    weighting,
)
from teststrip.diffusion.order import ModelKey, model_key
from teststrip.diffusion.parts import Part, Parts, config_of, find
from teststrip.diffusion.schedulers import Sampling
from teststrip.errors import StudyError
from teststrip.plugins import version_of
from teststrip.records import Reading, Value


class Asked:
    """What is known of the models of a study.

    Args:
        config: folder with the configuration of single files.
        variant: of the weight files that are wanted.
        parts: what is changed about each model.
    """

    def __init__(self, config: str | None, variant: str | None, parts: Parts) -> None:
        self._config = config
        self._variant = variant
        self._parts = parts
        self._found: dict[tuple[str, str], dict[str, Part]] = {}
        self._models: dict[ModelKey, models.Model] = {}
        self._checked: set[tuple[str, str, Value]] = set()
        self._tokenizers: dict[ModelKey, reading.Tokenizers] = {}

    def model(self, settings: Mapping[str, Value]) -> models.Model:
        """The model that settings name; found once, its weights unread.

        Raises:
            StudyError: there is no such model. EngineError: it is damaged, or neither here nor reached.
        """
        key, pictures, controlnet = model_key(settings), tasks.given(settings), bool(settings.get("controlnet"))
        if key not in self._models:
            self._models[key] = model = models.find(*key, self._config, self._variant)
            for name, part in self.parts(model).items():
                if not part.is_file:  # guidance is a matter of the component that is loaded
                    model.configs[name] = config_of(part)
        found = self._models[key]
        if not pictures:
            return found
        return replace(
            found,
            pipeline=tasks.pipeline_for(found.pipeline, pictures, controlnet=controlnet),
            pictures=pictures,
        )

    def parts(self, model: models.Model) -> Mapping[str, Part]:
        """The components that take the place of a model's own, found and checked once.

        Raises:
            StudyError: one is not there, or does not fit. EngineError: one is damaged, or could run code.
        """
        key = (model.name, model.commit)
        if key not in self._found:
            self._found[key] = {
                name: find(name, written, model, self._variant) for name, written in self._parts.components
            }
        return self._found[key]

    def sampling(self, model: models.Model, settings: Mapping[str, Value]) -> Sampling:
        """The scheduler's class, the number of steps, and its configuration; an empty one where it is not known."""
        pipeline = self.pipeline(model)
        default = pipeline.knobs.get("num_inference_steps") if pipeline else None
        steps = settings.get("num_inference_steps") or (default.default if default else None) or 50
        name, config = model.scheduler
        config = {**config, **scheduler_options.asked(settings)} if config else config
        listed, kind = step_lists.asked(settings, model.pipeline), str(settings.get("scheduler") or name)
        return kind, listed.count(kind) if listed else int(steps), config

    def pipeline(self, model: models.Model) -> pipelines.PipelineClass | None:
        """The class of a model's pipeline; None where Diffusers is not installed.

        Raises:
            StudyError: this Diffusers has no such class, or it makes no pictures from what the prompts give.
        """
        found = pipelines.find(model.pipeline)
        if found is None and source.package():
            raise StudyError(
                f"model: {model.name!r} is made for {model.pipeline}, which Diffusers {version_of('diffusers')} does"
                " not have. Run: pip install -U diffusers"
            )
        if found and (why := tasks.unfit(found, model.pictures)):
            takes = "image" in found.takes and not model.pictures
            remedy = ", or give the prompts an image" if takes else ""
            raise StudyError(
                f"model: {found.name} makes no pictures from text alone: {why}. Name another model{remedy}"
            )
        return found

    def check_weights(self, model: models.Model, settings: Mapping[str, Value]) -> None:
        """Read the headers of the weights of a model and of the LoRAs on it, each pair once."""
        if (model.name, model.commit, None) not in self._checked:
            model.check()
            self._checked.add((model.name, model.commit, None))
        loras.check_stack(settings)
        for lora in loras.files(settings):
            if (model.name, model.commit, lora) not in self._checked:
                loras.check(lora, model)
                self._checked.add((model.name, model.commit, lora))

    def read(self, settings: Mapping[str, Value], texts: Sequence[str]) -> Sequence[Reading]:
        """What the model's own tokenizers read of these texts, where they are on this disk."""
        model = self.model(settings)
        pipeline = self.pipeline(model)
        words = inversions.asked(settings)
        odd = bool(words) or settings.get(weighting.SETTING) is not None
        doubted = odd or reading.in_doubt(texts, settings.get(reading.LENGTH))
        if pipeline is None or not loading.installed() or not doubted:
            return ()
        key = model_key(settings)
        if key not in self._tokenizers:
            self._tokenizers[key] = reading.on_disk(model)
        tokenizers = inversions.taught(self._tokenizers[key], words)
        found = [reading.read(tokenizers, pipeline, settings, text) for text in texts]
        return [one for one in found if one] if all(found) else ()
