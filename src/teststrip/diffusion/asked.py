"""What settings ask for, as far as it is known before anything is loaded: models, pipelines, schedulers, texts.

Each model is found, its headers are read and its tokenizers are opened once. Loads no weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    weighting,
)
from teststrip.diffusion.order import ModelKey, model_key
from teststrip.errors import StudyError
from teststrip.plugins import version_of
from teststrip.records import Reading, Value


class Asked:
    """What is known of the models of a study.

    Args:
        config: folder with the configuration of single files.
        variant: of the weight files that are wanted.
    """

    def __init__(self, config: str | None, variant: str | None) -> None:
        self._config = config
        self._variant = variant
        self._models: dict[ModelKey, models.Model] = {}
        self._checked: set[tuple[str, str, Value]] = set()
        self._tokenizers: dict[ModelKey, reading.Tokenizers] = {}

    def model(self, settings: Mapping[str, Value]) -> models.Model:
        """The model that settings name; found once, its weights unread.

        Raises:
            StudyError: there is no such model. EngineError: it is damaged, or neither here nor reached.
        """
        key = model_key(settings)
        if key not in self._models:
            self._models[key] = models.find(*key, self._config, self._variant)
        return self._models[key]

    def sampling(self, model: models.Model, settings: Mapping[str, Value]) -> tuple[str, int, Mapping[str, object]]:
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
            StudyError: this Diffusers has no such class, or it makes no pictures from text.
        """
        found = pipelines.find(model.pipeline)
        if found is None and source.package():
            raise StudyError(
                f"model: {model.name!r} is made for {model.pipeline}, which Diffusers {version_of('diffusers')} does"
                " not have. Run: pip install -U diffusers"
            )
        if found and found.unfit:
            raise StudyError(
                f"model: {found.name} makes no pictures from text alone: {found.unfit}. Name another model"
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
