"""What a study can set of a scheduler beside its class: the arguments of the constructor, `scheduler.shift = 3`.

Names, kinds, defaults, words and sentences are read from the source of the installed Diffusers, so that an option is
checked before anything is loaded. What a class says of two options together is asked of the class (`rehearsal`). Knows
no model and no pipeline. To give an option bounds: one line in `BOUNDS`.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Final

from teststrip.diffusion.pipelines import Kind, arguments_of, kind_of_argument, sentence_on
from teststrip.diffusion.schedulers import bodies, names
from teststrip.errors import StudyError, among
from teststrip.records import Setting, Value
from teststrip.vocabulary import SCHEDULER

PREFIX: Final = f"{SCHEDULER}."

BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "shift": (0.01, 100),
    "flow_shift": (0.01, 100),
    "solver_order": (1, 3),
    "steps_offset": (0, 1000),
    "dynamic_thresholding_ratio": (0, 1),
    "original_inference_steps": (1, 1000),
}
"""The least and the largest value of options of which it is known; a class may refuse others when it is made."""

WELL_KNOWN: Final[Mapping[Kind, str]] = {
    "int": "base_image_seq_len corrector_order max_image_seq_len noise_sampler_seed num_train_timesteps"
    " original_inference_steps predictor_order solver_order steps_offset",
    "float": "base_shift beta_end beta_start clip_sample_range dynamic_thresholding_ratio flow_shift lambda_min_clipped"
    " max_shift rho sample_max_value shift shift_terminal sigma_data sigma_max sigma_min timestep_scaling",
    "str": "algorithm_type beta_schedule final_sigmas_type interpolation_type prediction_type sigma_schedule"
    " solver_type time_shift_type timestep_spacing timestep_type upscale_mode variance_type",
    "bool": "clip_sample euler_at_final invert_sigmas lower_order_final predict_x0 rescale_betas_zero_snr"
    " set_alpha_to_one skip_prk_steps stochastic_sampling thresholding use_beta_sigmas use_dynamic_shifting"
    " use_exponential_sigmas use_flow_sigmas use_karras_sigmas use_lu_lambdas",
}
"""Options of noise prediction and flow matching, by kind: studies are read with them where Diffusers is not there."""

NEEDS: Final = {"use_beta_sigmas": "scipy"}
"""The package that an option needs in addition to Diffusers."""

SIGNATURE: Final = re.compile(r"^    def __init__\(.*?^    \)[^\n]*:\n", re.M | re.S)
LITERAL: Final = re.compile(r"Literal\[(.*?)\]")


@cache
def of(scheduler: str) -> Mapping[str, Setting]:
    """The options of a scheduler class as settings, by their dotted names, with the defaults of the class."""
    kinds, docs = _kinds(), _docs()
    options = _read(scheduler).items()
    return MappingProxyType({name: replace(one, kind=kinds[name], doc=one.doc or docs[name]) for name, one in options})


@cache
def every() -> Mapping[str, Setting]:
    """Every option of every scheduler class for pictures, sorted by name; whether a class has it is said by `check`.

    The defaults are left open, because each class has its own and an option that no study sets must be in no id.
    """
    found: dict[str, Setting] = {} if names() else {knob.name: knob for knob in _well_known()}
    for scheduler in names():
        for name, option in of(scheduler).items():
            found.setdefault(name, replace(option, default=None, choices=(), optional=True))
    return MappingProxyType(dict(sorted(found.items())))


def _well_known() -> Iterator[Setting]:
    for kind, options in WELL_KNOWN.items():
        for option in options.split():
            low, high = BOUNDS.get(option, (None, None))
            yield Setting(PREFIX + option, kind, low=low, high=high, optional=True)


def asked(settings: Mapping[str, Value]) -> dict[str, Value]:
    """The options that settings give to the scheduler, sorted, as its constructor names them.

    >>> asked({"scheduler.shift": 3.0, "guidance_scale": 5.0, "scheduler.sigma_max": None})
    {'shift': 3.0}
    """
    found = {
        name.removeprefix(PREFIX): value
        for name, value in settings.items()
        if name.startswith(PREFIX) and value is not None
    }
    return dict(sorted(found.items()))


def check(settings: Mapping[str, Value], scheduler: str, pipeline: str) -> None:
    """Raise StudyError for an option that a scheduler class lacks or whose word it does not know.

    Args:
        settings: of a shot.
        scheduler: the class that takes the steps; "" when the pipeline has none.
        pipeline: its class name, for the message.
    """
    known = of(scheduler)
    for option, value in asked(settings).items():
        name = PREFIX + option
        if not scheduler:
            raise StudyError(f"{name}: {pipeline} has no scheduler of Diffusers' kind. Leave the setting out")
        if name not in known:
            has = [one.removeprefix(PREFIX) for one in known]
            raise StudyError(f"{name}: {scheduler} has no option {option!r}{among(option, has, 'It has')}")
        choices = known[name].choices
        if choices and value not in choices:
            raise StudyError(
                f"{name}: {value!r} is no {option} of {scheduler}{among(str(value), choices, 'There are')}"
            )
        if value is True and (needed := NEEDS.get(option)) and importlib.util.find_spec(needed) is None:
            raise StudyError(f"{name}: it needs {needed}. Run: pip install {needed}")


@cache
def _kinds() -> Mapping[str, Kind]:
    """What most classes say that an option is, because some annotations are slips: a number where None is the default.

    Where some classes take whole numbers and others any number, any number.
    """
    counted: dict[str, Counter[Kind]] = {}
    for scheduler in names():
        for name, option in _read(scheduler).items():
            counted.setdefault(name, Counter())[option.kind] += 1
    return {name: "float" if "float" in kinds else kinds.most_common(1)[0][0] for name, kinds in counted.items()}


@cache
def _docs() -> Mapping[str, str]:
    """The first sentence that any class has on an option; "" where none has one."""
    found: dict[str, str] = {}
    for name, option in ((name, option) for scheduler in names() for name, option in _read(scheduler).items()):
        found[name] = found.get(name) or option.doc
    return found


@cache
def _read(scheduler: str) -> Mapping[str, Setting]:
    """The options as the class alone says. Its signature is parsed and not the whole of its file, for speed."""
    body = bodies().get(scheduler, "")
    signature = SIGNATURE.search(body)
    if signature is None:
        return {}
    described = inspect.cleandoc(body.partition('"""')[2].partition('"""')[0])
    made = ast.parse(textwrap.dedent(signature[0]) + "    pass").body[0]
    assert isinstance(made, ast.FunctionDef)
    return {option.name: option for option in _options(made, described)}


def _options(made: ast.FunctionDef, described: str) -> Iterator[Setting]:
    """The arguments of a simple type that have a default, as settings."""
    for name, annotation, default in arguments_of(made):
        text = ast.unparse(annotation) if annotation else ""
        words = LITERAL.search(text)
        kind, optional = ("str", "None" in text) if words else kind_of_argument(annotation)
        if kind is None or not (default is None or isinstance(default, str | int | float)):
            continue
        low, high = BOUNDS.get(name, (None, None))
        yield Setting(
            PREFIX + name,
            kind,
            float(default) if kind == "float" and type(default) is int else default,
            low=low,
            high=high,
            choices=tuple(ast.literal_eval(f"({words[1]},)")) if words else (),
            optional=optional or default is None,
            doc=sentence_on(described, name),
        )
