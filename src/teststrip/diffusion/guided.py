"""A call with a guider: the pipeline's models in a modular pipeline of Diffusers, made anew for each call.

A guider keeps the step that it was in last, so one that was used before would encode the next prompt without its
negative. Knows pipelines as they look from outside; `guiders` says which have a modular form. Imports Diffusers when
called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from teststrip.records import Value


def guided(modular: str, guider: str, options: Mapping[str, Value]) -> Callable[[Any], Any]:
    """What gives a modular pipeline with a guider in the place of a call's own copy of a pipeline.

    Args:
        modular: class of the modular pipeline.
        guider: class of the guider.
        options: of the guider, by the names of its constructor.

    Returns:
        takes a pipeline, whose scheduler belongs to this call, and gives what is called in its place: it takes the
        pipeline's arguments, of which it leaves out those that are the guider's, and answers as the pipeline does.
    """

    def prepare(pipeline: Any) -> Callable[..., Any]:
        import diffusers
        from diffusers import guiders
        from diffusers.pipelines.pipeline_utils import ImagePipelineOutput

        made = getattr(diffusers, modular)()
        names = set(made.component_names)
        parts = {name: part for name, part in pipeline.components.items() if name in names and part is not None}
        told = [one.name for one in made.blocks.expected_configs]
        said = {name: pipeline.config[name] for name in told if name in pipeline.config}
        made.update_components(**parts, **said, guider=getattr(guiders, guider)(**options))
        _draw_no_bars(made._blocks)
        taken = {one.name for one in made.blocks.inputs}

        def call(**given: Any) -> Any:
            images = made(**{name: value for name, value in given.items() if name in taken}, output="images")
            return ImagePipelineOutput(images=images)

        return call

    return prepare


def _draw_no_bars(block: Any) -> None:
    """Silence a block and those in it; the pipeline's own method reaches the outermost ones alone."""
    if hasattr(block, "set_progress_bar_config"):
        block.set_progress_bar_config(disable=True)
    for inner in getattr(block, "sub_blocks", {}).values():
        _draw_no_bars(inner)
