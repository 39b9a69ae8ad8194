"""What is noted with a picture: warnings that came with it, and what its model read of the prompt."""

from __future__ import annotations

from collections.abc import Sequence

from teststrip.diffusion import reading, weighting
from teststrip.diffusion.heard import CUT
from teststrip.diffusion.loading import Loaded
from teststrip.diffusion.pipelines import PipelineClass
from teststrip.records import Reading, Shot


def facts(loaded: Loaded, pipeline: PipelineClass, shot: Shot, said: Sequence[str]) -> dict[str, object]:
    """The facts `said`, `read`, `lost` and `weighted`, and what was changed about the model, where there is something.

    Args:
        loaded: the pipeline that made the picture.
        pipeline: what its class's source says.
        shot: what was asked.
        said: warnings that came with the call; those of loading are added.
    """
    found: dict[str, object] = dict(loaded.parts.facts)
    read = reading_of(loaded, pipeline, shot)
    every = dict.fromkeys((*loaded.saying, *said))
    if kept := [text for text in every if read is None or not CUT.search(text)]:
        found["said"] = kept
    if shot.settings.get(weighting.SETTING):
        found["weighted"] = weighting.written(shot.prompt)
    if read:
        found["read"] = read.digest
        if read.lost:
            found["lost"] = read.lost
    return found


def reading_of(loaded: Loaded, pipeline: PipelineClass, shot: Shot) -> Reading | None:
    """What the pipeline reads of the shot's prompt, asked of its tokenizers once and then kept.

    The thread that runs the pipeline must ask first, because a tokenizer refuses two threads at a time.
    """
    key = (shot.prompt, shot.settings.get(reading.LENGTH), shot.settings.get(weighting.SETTING))
    if key not in loaded.readings:
        loaded.readings[key] = reading.read(reading.of_pipeline(loaded.pipe), pipeline, shot.settings, shot.prompt)
    return loaded.readings[key]
