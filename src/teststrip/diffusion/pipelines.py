"""What a Diffusers pipeline class accepts, read from its source: its knobs, their types and defaults.

Nothing is imported and nothing runs, so a study is planned in an instant, on a machine without torch too. Knows no
models and no weights (`models`), no schedulers (`schedulers`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Final, Literal, cast

from teststrip.diffusion.guidance import Rule
from teststrip.diffusion.needed import needed
from teststrip.diffusion.source import class_in, files, function, parsed_class, text
from teststrip.records import NONE, Setting, Value

Kind = Literal["float", "int", "str", "bool"]

PIPELINES: Final = "pipelines/*/**/pipeline_*.py"

WELL_KNOWN: Final[Mapping[str, Setting]] = MappingProxyType(
    {
        setting.name: setting
        for setting in (
            Setting("prompt", "str", doc="The text that the model reads."),
            Setting("negative_prompt", "str", optional=True, doc="What guidance leads away from."),
            Setting("guidance_scale", "float", low=0, high=100, doc="How strongly the prompt leads; 1 = no guidance."),
            Setting("num_inference_steps", "int", low=1, high=1000, doc="Steps from noise to picture."),
            Setting("width", "int", low=8, high=8192, optional=True, doc="Pixels; the model's own when left out."),
            Setting("height", "int", low=8, high=8192, optional=True, doc="Pixels; the model's own when left out."),
            Setting("eta", "float", low=0, high=1, doc="Noise added at each step; DDIM and TCD alone heed it."),
            Setting("guidance_rescale", "float", low=0, high=1, doc="Takes over-exposure by guidance back, 0..1."),
            Setting("clip_skip", "int", low=0, high=24, optional=True, doc="Last layers of CLIP to leave out."),
            Setting("true_cfg_scale", "float", low=0, high=100, doc="Real guidance of a distilled model; 1 = none."),
            Setting("max_sequence_length", "int", low=1, high=4096, doc="Tokens of the prompt that are read."),
            Setting("pag_scale", "float", low=0, high=100, doc="Strength of perturbed-attention guidance; 0 = none."),
            Setting("denoising_end", "float", low=0, high=1, optional=True, doc="Share of the steps that is done."),
            Setting("strength", "float", low=0, high=1, doc="Share of the steps that change the image; 1 = all."),
            Setting("controlnet_conditioning_scale", "float", low=0, high=10, doc="How strongly the ControlNet leads."),
            Setting("control_guidance_start", "float", low=0, high=1, doc="Share of the steps before the ControlNet."),
            Setting("control_guidance_end", "float", low=0, high=1, doc="Share of the steps after which it ends."),
        )
    }
)
"""Bounds and sentences of knobs that many pipelines share; defaults come from each pipeline's signature."""

LISTS: Final = frozenset({"timesteps", "sigmas"})
"""Arguments by which a call takes its steps as a list."""

MAKES: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "videos": re.compile(r"num_frames|video_length|num_videos_per_prompt|frames"),
        "audio": re.compile(r"num_waveforms_per_prompt|audio_duration.*"),
        "texts": re.compile(r"gen_length"),
        "views of a shape": re.compile(r"frame_size"),
    }
)
"""What a pipeline makes in place of a picture, and the arguments that tell it."""

OTHER_MAKES: Final = re.compile(rf"^ +({'|'.join(one.pattern for one in MAKES.values())}):", re.M)
"""One of these arguments in the text of a signature."""

OTHER_INPUT: Final = re.compile(r"images?|.*video.*|.*frames?|.*audio.*|source_.*|mask.*|.*phrases.*|control_image")
"""Arguments that tell a pipeline of text to image from others."""

NAMES: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "it makes embeddings for another pipeline": re.compile(r"Prior(?!.*Combined)"),
        "it runs on ONNX Runtime": re.compile(r"Onnx"),
    }
)
"""What speaks against a pipeline, by its name."""

NO_KNOBS: Final = re.compile(
    r"num_(images|videos|waveforms)_per_prompt|output_type|return_dict|return_index|callback_steps|debug|normalize|seed"
    r"|.*_token_id|.*_embeds|.*_attention_mask|_.*"
)
"""Arguments of a simple type that choose no picture, or belong to the calling program."""


OTHER_TASKS: Final = re.compile(r"img2img|inpaint|controlnet|_control|upscale|video|audio|super_resolution|onnx")
"""In the name of a file whose pipelines all need a picture or make none: not looked into for knobs, for time's sake."""

WITH_PICTURES: Final = re.compile(r"img2img|inpaint(ing)?|controlnet|_control|image_to_image")
"""In the file name of a pipeline that a prompt's pictures are for."""

PICTURES: Final = frozenset({"image", "mask_image", "control_image", "control_mask", "ip_adapter_image"})
"""Arguments that are pictures a prompt can bring, and one that none can."""


@dataclass(frozen=True, slots=True)
class PipelineClass:
    """A pipeline class as its source describes it.

    Attributes:
        name: of the class.
        knobs: the arguments of its `__call__` that a study can set, with the defaults of the signature.
        unfit: why it makes no pictures from text alone ("it takes image"); "" when it does.
        tree: its source, for the guidance rule.
        lists: those of the arguments "timesteps" and "sigmas" that its `__call__` has.
        takes: arguments that are pictures or of no simple type, and whether a call without them means nothing.
    """

    name: str
    knobs: Mapping[str, Setting]
    unfit: str
    tree: ast.ClassDef
    lists: frozenset[str] = frozenset()
    takes: Mapping[str, bool] = field(default_factory=dict)

    def given(self, settings: Mapping[str, Value]) -> dict[str, Value]:
        """The settings that a study gives to this pipeline, as the pipeline's call takes them."""
        asked = {name: value for name, value in settings.items() if name in self.knobs and value is not None}
        return {
            name: None if value == NONE and self.knobs[name].kind != "str" else value for name, value in asked.items()
        }

    def rows(self, settings: Mapping[str, Value], config: Callable[[str, str], Value]) -> int:
        """Rows of one denoiser call for one picture: 1, and one more for each kind of guidance that is on.

        Args:
            settings: of the shot; what is missing has its default.
            config: looks up a key of a component's configuration ("unet", "time_cond_proj_dim"); the component "" is
                the pipeline itself.
        """
        pag = self._rule(settings, config).settings.get("pag_scale")
        return 1 + self.guided(settings, config) + (float(pag or 0) > 0)

    def guided(self, settings: Mapping[str, Value], config: Callable[[str, str], Value]) -> bool:
        """Whether a picture has a second row, which a negative prompt or none leads away from; arguments of `rows`."""
        rule = self._rule(settings, config)
        guided = any(rule.holds(name) for name in ("do_classifier_free_guidance", "do_true_cfg"))
        return guided or float(rule.settings.get("decoder_guidance_scale") or 0) > 1

    def _rule(self, settings: Mapping[str, Value], config: Callable[[str, str], Value]) -> Rule:
        return Rule(self.tree, {name: knob.default for name, knob in self.knobs.items()} | self.given(settings), config)

    def rows_before(self, settings: Mapping[str, Value]) -> int:
        """Rows of all denoiser calls of the first of two pipelines in a row, for one picture; 0 where there is one."""
        known = {name: knob.default for name, knob in self.knobs.items()} | self.given(settings)
        steps, guidance = known.get("prior_num_inference_steps"), known.get("prior_guidance_scale")
        return int(steps or 0) * (1 + (float(guidance or 0) > 1))


@cache
def find(name: str) -> PipelineClass | None:
    """The pipeline class of that name in the installed Diffusers; None when there is none (or no Diffusers)."""
    tree = parsed_class(name, PIPELINES)
    call = function(tree, "__call__") if tree else None
    if tree is None or call is None:
        return None
    described = ast.get_docstring(call) or ""
    knobs = {knob.name: knob for knob in _knobs(call, described)}
    unfit = _unfit(name, call, knobs, described) or _missing(tree, knobs)
    lists = LISTS & {argument for argument, _, _ in arguments_of(call)}
    takes = MappingProxyType(dict(_takes(call, knobs, described)))
    return PipelineClass(name, MappingProxyType(knobs), unfit, tree, lists, takes)


@cache
def knobs() -> Mapping[str, Setting]:
    """Every knob of every text-to-image pipeline of the installed Diffusers, the well-known first.

    Defaults are left open, since each pipeline has its own. Without Diffusers the well-known alone.
    """
    found = dict(WELL_KNOWN)
    for path in files(PIPELINES):
        file = path.as_posix().rpartition("/pipelines/")[2]
        pictures = frozenset({"image", "mask_image", "control_image"} if WITH_PICTURES.search(file) else ())
        if OTHER_TASKS.search(WITH_PICTURES.sub("", file)):
            continue
        for match in re.finditer(r"^    def __call__\(\n.*?^    \)[^\n]*:\n", text(path), re.M | re.S):
            if "prompt:" not in match.group() or OTHER_MAKES.search(match.group()):
                continue
            call = ast.parse("class _:\n" + match.group() + "        pass").body[0]
            assert isinstance(call, ast.ClassDef)
            signature = function(call, "__call__")
            assert signature is not None
            *_, name = re.findall(r"^class (\w+)", text(path)[: match.start()], re.M)
            described = text(path)[match.end() :].partition('"""')[2].partition('"""')[0]
            names = {argument for argument, _, _ in arguments_of(signature)}
            if _unfit(name, signature, names, described, pictures):
                continue  # before sentences are looked for, which takes long
            own = {knob.name: knob for knob in _knobs(signature, described)}
            if _unfit(name, signature, own, described, pictures):
                continue
            # Only a class that knows something new and that might need a picture is read as a whole, which takes long.
            new = own.keys() - found.keys()
            if not pictures and new and _may_need(signature) and _missing(class_in(path, name), own):
                continue
            for knob in own.values():
                known = found.setdefault(knob.name, replace(knob, default=None, optional=True))
                if not known.doc:
                    known = found[knob.name] = replace(known, doc=knob.doc)
                if knob.name not in WELL_KNOWN and knob.kind != "str" and knob.default is not None:
                    found[knob.name] = replace(known, tells_none=True)
    return MappingProxyType(found)


NONE_GIVEN: Final = object()
"""The default of an argument that has none."""


def _knobs(call: ast.FunctionDef, described: str) -> Iterator[Setting]:
    """The arguments of a simple type, as settings, with their sentences in the docstring."""
    for name, annotation, default in arguments_of(call):
        kind, optional = kind_of_argument(annotation)
        if kind is None or NO_KNOBS.fullmatch(name):
            continue
        value = cast("Value", default) if isinstance(default, str | int | float) else None
        if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        known = WELL_KNOWN.get(name)
        if known:
            yield replace(known, default=value, optional=known.optional or optional)
        else:
            yield Setting(name, kind, value, optional=optional or value is None, doc=sentence_on(described, name))


def _unfit(
    pipeline: str,
    call: ast.FunctionDef,
    knobs: Container[str],
    described: str,
    pictures: frozenset[str] = frozenset(),
) -> str:
    """What speaks against a pipeline in its name and its signature, where it is given these pictures."""
    if "prompt" not in knobs:
        return "it takes no prompt"
    arguments = list(arguments_of(call))
    for made, pattern in MAKES.items():
        if any(pattern.fullmatch(name) for name, _, _ in arguments):
            return f"it makes {made}"
    for why, pattern in NAMES.items():
        if pattern.search(pipeline):
            return why
    for name, annotation, default in arguments:
        asked = OTHER_INPUT.fullmatch(name) and _is_needed(name, annotation, described)
        asked = asked and name not in pictures and not (pictures and name.endswith("_latents"))
        if asked or (default is NONE_GIVEN and name not in knobs):
            return f"it takes {name}"
    return ""


def _is_needed(name: str, annotation: ast.expr | None, described: str) -> bool:
    """Whether an input is needed, though its default may be None: by its annotation and its sentence."""
    text = ast.unparse(annotation) if annotation else ""
    optional = re.search(rf"^ *{name} \(.*\b[Ii]mage.*\*optional\*", described, re.M)
    return "None" not in text and "Optional" not in text and not optional


def _takes(call: ast.FunctionDef, knobs: Container[str], described: str) -> Iterator[tuple[str, bool]]:
    """The pictures of a call, and the arguments without default that no study can give."""
    for name, annotation, default in arguments_of(call):
        if name in PICTURES:
            yield name, OTHER_INPUT.fullmatch(name) is not None and _is_needed(name, annotation, described)
        elif default is NONE_GIVEN and name not in knobs:
            yield name, True


def _may_need(call: ast.FunctionDef) -> bool:
    return any(OTHER_INPUT.fullmatch(name) for name, _, _ in arguments_of(call))


def _missing(tree: ast.ClassDef | None, knobs: Container[str]) -> str:
    """What a pipeline's body asks for although its signature does not."""
    call = function(tree, "__call__") if tree else None
    if tree is None or call is None or not _may_need(call):
        return ""
    name = needed(tree, [name for name, _, default in arguments_of(call) if default is None and name not in knobs])
    return f"it takes {name}" if name else ""


def kind_of_argument(annotation: ast.expr | None) -> tuple[Kind | None, bool]:
    """What one value of an argument is, and whether None is one; no kind for anything but numbers, words, switches."""
    text = ast.unparse(annotation) if annotation else ""
    parts = {
        part.strip()
        for part in re.sub(r"(Optional|Union)\[|\](?=\]*$)|typing\.", " ", text).replace(",", "|").split("|")
    }
    parts -= {f"{start}ist[{kind}{end}" for start in "lL" for kind in ("str", "float") for end in ("]", "")} | {""}
    optional = "None" in parts or "Optional" in text
    for kind in ("float", "int", "bool", "str"):
        if parts - {"None"} == {kind}:
            return kind, optional
    return None, optional


def arguments_of(call: ast.FunctionDef) -> Iterator[tuple[str, ast.expr | None, object]]:
    """Name, annotation and default of each argument but `self`; a default that is no constant counts as None."""
    arguments = call.args
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    for argument, default in [
        *zip(plain, defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]:
        if argument.arg != "self":
            yield argument.arg, argument.annotation, _constant(default) if default is not None else NONE_GIVEN


def _constant(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def sentence_on(docstring: str, argument: str) -> str:
    """The first sentence on an argument in a Diffusers docstring; "" where it says nothing."""
    found = re.search(rf"^[ \t]*{argument} \(", docstring, re.M)
    first, *more = docstring[found.start() :].splitlines() if found else [""]
    words = [first.partition("):")[2].strip()]
    for line in more:
        if not line.strip() or re.match(r"\s*\w+ \(`", line):
            break
        words.append(line.strip())
    first = re.split(r"(?<=[.])\s", " ".join(words).strip())[0].rstrip(".")
    return f"{first}." if first else ""
