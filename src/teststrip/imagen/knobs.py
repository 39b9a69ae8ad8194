"""The settings of Imagen, spelled as imagen-pytorch spells them, and what they mean for each stage of a model.

A stage is a U-Net: the first draws a small picture, each later one enlarges it. `timesteps` sets all stages,
`timesteps_2` the second one alone. Knows nothing of files or processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from teststrip.errors import StudyError
from teststrip.records import Setting, Value

MOST_STAGES: Final = 4
"""That have settings of their own; the published model has 3."""

STAGED: Final = (
    Setting("cond_scale", "float", 1.0, low=0, high=100, doc="Strength of guidance by the prompt; 1 = none."),
    Setting(
        "timesteps", "int", low=1, high=10_000, optional=True, doc="Steps of the sampler; the model's own if unset."
    ),
    Setting(
        "dynamic_thresholding",
        "bool",
        optional=True,
        doc="Whether pixels out of range are scaled by a percentile, not clipped; the model's own if unset.",
    ),
)
"""The settings that each stage may have for itself."""

WHOLE: Final = (
    Setting(
        "dynamic_thresholding_percentile",
        "float",
        low=0,
        high=1,
        optional=True,
        doc="Share of pixels that dynamic thresholding keeps unclipped; the model's own if unset.",
    ),
    Setting(
        "cfg_remove_parallel_component",
        "bool",
        default=True,
        doc="Whether guidance leaves out its part along the prediction (projected guidance); the paper keeps it.",
    ),
    Setting(
        "cfg_keep_parallel_frac",
        "float",
        0.0,
        low=0,
        high=1,
        doc="Share of the parallel part that projected guidance keeps.",
    ),
    Setting(
        "lowres_sample_noise_level",
        "float",
        low=0,
        high=1,
        optional=True,
        doc="Noise that is put on a small picture before the next stage enlarges it; the model's own if unset.",
    ),
    Setting(
        "stop_at_unet_number",
        "int",
        low=1,
        high=16,
        optional=True,
        doc="The last stage that draws, counted from 1; its picture is the result. All of them if unset.",
    ),
)


def _staged() -> Iterator[Setting]:
    for setting in STAGED:
        yield setting
        first = setting.doc.split(";", maxsplit=1)[0].rstrip(".")
        for number in range(1, MOST_STAGES + 1):
            doc = f"{first}: of stage {number} alone, in the place of {setting.name}."
            yield replace(setting, name=f"{setting.name}_{number}", default=None, optional=True, doc=doc)


SETTINGS: Final[Mapping[str, Setting]] = {setting.name: setting for setting in (*_staged(), *WHOLE)}


@dataclass(frozen=True, slots=True)
class Sampler:
    """What a model does where no setting says otherwise; a value for each stage where there is a tuple.

    Attributes:
        sizes: side of each stage's picture in pixels.
        timesteps: as in imagen-pytorch.
        dynamic_thresholding: as in imagen-pytorch.
        dynamic_thresholding_percentile: as in imagen-pytorch.
        lowres_sample_noise_level: as in imagen-pytorch.
        guided: whether the model was trained for guidance.
    """

    sizes: tuple[int, ...]
    timesteps: tuple[int, ...]
    dynamic_thresholding: tuple[bool, ...]
    dynamic_thresholding_percentile: float
    lowres_sample_noise_level: float
    guided: bool


def asked(settings: Mapping[str, Value], own: Sampler) -> dict[str, Any]:
    """The arguments of one call: every one, so that a call never depends on the one before it."""

    def of(name: str) -> Any:
        value = settings.get(name)
        return SETTINGS[name].default if value is None else value

    def each(name: str, without: Sequence[Any]) -> list[Any]:
        common = of(name)
        values = [unset if common is None else common for unset in without]
        for index in range(min(len(values), MOST_STAGES)):
            value = settings.get(f"{name}_{index + 1}")
            values[index] = values[index] if value is None else value
        return values

    percentile, noise = of("dynamic_thresholding_percentile"), of("lowres_sample_noise_level")
    return {
        "cond_scale": each("cond_scale", [1.0] * len(own.sizes)),
        "timesteps": each("timesteps", own.timesteps),
        "dynamic_thresholding": each("dynamic_thresholding", own.dynamic_thresholding),
        "dynamic_thresholding_percentile": own.dynamic_thresholding_percentile if percentile is None else percentile,
        "cfg_remove_parallel_component": of("cfg_remove_parallel_component"),
        "cfg_keep_parallel_frac": of("cfg_keep_parallel_frac"),
        "lowres_sample_noise_level": own.lowres_sample_noise_level if noise is None else noise,
        "stop_at_unet_number": of("stop_at_unet_number") or len(own.sizes),
    }


def check(settings: Mapping[str, Value], own: Sampler) -> None:
    """Raise StudyError where a model with these stages cannot do what is asked."""
    count = len(own.sizes)
    has = f"The model has {count} {'stage' if count == 1 else 'stages'} ({', '.join(map(str, own.sizes))} pixels)"
    for name in _own_stages(settings):
        if int(name.rpartition("_")[2]) > count:
            raise StudyError(f"{name}: there is no such stage. {has}")
    call = asked(settings, own)
    if call["stop_at_unet_number"] > count:
        raise StudyError(f"stop_at_unet_number: there is no stage {call['stop_at_unet_number']}. {has}")
    if not own.guided and any(scale != 1 for scale in call["cond_scale"]):
        raise StudyError(
            "cond_scale: the model was trained without dropping prompts (cond_drop_prob = 0), so it cannot be guided."
            " Write cond_scale = 1"
        )


def calls(settings: Mapping[str, Value], own: Sampler) -> int:
    """Forwards of the U-Nets for one picture: a step is one, and two where guidance is on."""
    call = asked(settings, own)
    rows = [
        steps * (1 if scale == 1 else 2) for steps, scale in zip(call["timesteps"], call["cond_scale"], strict=True)
    ]
    return int(sum(rows[: call["stop_at_unet_number"]]))


def side(settings: Mapping[str, Value], own: Sampler) -> int:
    """Width and height of the picture, in pixels."""
    last: int = asked(settings, own)["stop_at_unet_number"]
    return own.sizes[last - 1]


def unheeded(settings: Mapping[str, Value], own: Sampler) -> Iterator[str]:
    """A clause for each setting that is set and changes nothing."""
    call = asked(settings, own)
    last = call["stop_at_unet_number"]
    for name in _own_stages(settings):
        if int(name.rpartition("_")[2]) > last:
            yield f"do not heed {name}: they stop at stage {last}"
    for setting in STAGED:
        own_stages = {f"{setting.name}_{number}" for number in range(1, last + 1)} & set(_own_stages(settings))
        if settings.get(setting.name) is not None and len(own_stages) == last:
            yield f"do not heed {setting.name}: each stage has its own"
    if not any(call["dynamic_thresholding"][:last]) and settings.get("dynamic_thresholding_percentile") is not None:
        yield "do not heed dynamic_thresholding_percentile: dynamic_thresholding is off"
    if last == 1 and settings.get("lowres_sample_noise_level") is not None:
        yield "do not heed lowres_sample_noise_level: they have one stage"
    guided = any(scale != 1 for scale in call["cond_scale"][:last])
    for name in ("cfg_remove_parallel_component", "cfg_keep_parallel_frac"):
        changed = settings.get(name) not in (None, SETTINGS[name].default)
        if changed and not guided:
            yield f"do not heed {name}: cond_scale is 1, which is no guidance"
        elif changed and name == "cfg_keep_parallel_frac" and not call["cfg_remove_parallel_component"]:
            yield f"do not heed {name}: cfg_remove_parallel_component is off, so that all of it is kept"


def _own_stages(settings: Mapping[str, Value]) -> list[str]:
    """The settings that are set for one stage alone."""
    names = {f"{setting.name}_{number}" for setting in STAGED for number in range(1, MOST_STAGES + 1)}
    return sorted(name for name in names if settings.get(name) is not None)
