"""What a study adds to a model's pipeline so that it can follow pictures: a ControlNet, an IP-Adapter and its encoder.

Checked by configurations and headers before anything is loaded; loaded beside the pipeline. Knows models and classes;
nothing of shots or pixels.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from teststrip.diffusion.models import Model, read_json
from teststrip.diffusion.pipelines import PipelineClass
from teststrip.diffusion.safety import WEIGHTS, check_folder, read_header
from teststrip.diffusion.source import function
from teststrip.errors import StudyError
from teststrip.records import Setting, Value
from teststrip.weights.digests import Digests

SETTINGS: Final = (
    Setting(
        "controlnet", "str", optional=True, is_name=True, doc="Folder of a ControlNet, which follows the control_image."
    ),
    Setting(
        "ip_adapter",
        "str",
        optional=True,
        is_name=True,
        doc="A .safetensors file by which the model sees ip_adapter_image.",
    ),
    Setting(
        "image_encoder",
        "str",
        optional=True,
        is_name=True,
        doc="Folder of the encoder that an ip_adapter was trained with.",
    ),
    Setting("ip_adapter_scale", "float", low=0, high=10, optional=True, doc="How strongly it leads; 1 = as trained."),
)

NAMES: Final = ("controlnet", "ip_adapter", "image_encoder")
"""Settings that choose what is loaded."""

SAME: Final = ("cross_attention_dim", "joint_attention_dim", "pooled_projection_dim", "caption_channels")
"""Keys of configuration that a ControlNet shares with its denoiser."""

ADAPTER: Final = {
    "unet": (("image_proj.",), ("ip_adapter.",)),
    "transformer": (("image_proj.", "ip_adapter_proj_model."), ("ip_adapter.", "double_blocks.")),
}
"""How the names of an IP-Adapter's two parts begin, by the denoiser that it is for."""

ENCODERS: Final = re.compile(r"(CLIP|Siglip)VisionModel(WithProjection)?")


@dataclass(frozen=True, slots=True)
class Additions:
    """What is added to a pipeline.

    Attributes:
        controlnet: a folder; "" = none.
        ip_adapter: a file; "" = none.
        image_encoder: a folder; "" = the model's own, or none.
    """

    controlnet: str = ""
    ip_adapter: str = ""
    image_encoder: str = ""

    @classmethod
    def of(cls, settings: Mapping[str, Value]) -> Additions:
        """What the settings of a shot add."""
        return cls(*(str(settings.get(name) or "") for name in NAMES))

    def identity(self, digests: Digests) -> dict[str, object]:
        """What distinguishes these weights from others, by setting; only of what is added."""
        found: dict[str, object] = {}
        for name, path in (("controlnet", self.controlnet), ("image_encoder", self.image_encoder)):
            if path:
                found[name] = {file.name: digests.of(file) for file in _files(Path(path).expanduser())}
        if self.ip_adapter:
            found["ip_adapter"] = digests.of(Path(self.ip_adapter).expanduser())
        return found


def check(settings: Mapping[str, Value], model: Model, pipeline: PipelineClass) -> None:
    """Raise StudyError for an addition that is not there or cannot fit, EngineError for one that is damaged."""
    wanted = Additions.of(settings)
    for name in ("image_encoder", "ip_adapter_scale"):
        if settings.get(name) is not None and not wanted.ip_adapter:
            raise StudyError(f'{name}: belongs to an IP-Adapter. Write ip_adapter = "...", or leave it out')
    if wanted.controlnet:
        _check_controlnet(wanted.controlnet, model, pipeline)
    if wanted.ip_adapter:
        _check_adapter(wanted, model, pipeline)


def _check_controlnet(name: str, model: Model, pipeline: PipelineClass) -> None:
    config = _config("controlnet", name, "a ControlNet")
    kind, takes = str(config.get("_class_name") or ""), _accepted(pipeline, "controlnet")
    if "ControlNet" not in kind:
        raise StudyError(f"controlnet: {name!r} holds {kind or 'no model of Diffusers'}, which is no ControlNet")
    if kind not in takes:
        raise StudyError(f"controlnet: {name!r} is a {kind}; {pipeline.name} takes {' or '.join(takes) or 'none'}")
    for part in ("unet", "transformer"):
        for key in SAME:
            own, its = model.config(part, key), config.get(key)
            if own is not None and its is not None and own != its:
                raise StudyError(
                    f"controlnet: {name!r} does not fit {model.name!r}: its {key} is {its}, the model's {own}."
                    " Name one that was made for this model"
                )


def _check_adapter(wanted: Additions, model: Model, pipeline: PipelineClass) -> None:
    name, file = wanted.ip_adapter, Path(wanted.ip_adapter).expanduser()
    if file.suffix != WEIGHTS or not file.is_file():
        raise StudyError(f"ip_adapter: {name!r} is no .safetensors file. Download it and give its path")
    header = read_header(file)
    parts = ADAPTER["transformer" if "transformer" in _arguments(pipeline) else "unet"]
    if not all(any(tensor.startswith(part) for tensor in header) for part in parts):
        raise StudyError(f"ip_adapter: {name!r} holds no IP-Adapter. A LoRA belongs under `lora`")
    if "image_encoder" not in _arguments(pipeline):
        raise StudyError(f"ip_adapter: {pipeline.name} takes none. Name another model")
    read, own = _last_side(header, r"ip_adapter\.\d+\.to_k_ip\.weight"), model.config("unet", "cross_attention_dim")
    if isinstance(own, int) and read and read != own:
        raise StudyError(
            f"ip_adapter: {name!r} does not fit {model.name!r}: it writes {read} numbers, the model reads {own}."
            " Name one that was made for this model"
        )
    _check_encoder(wanted, model, header)


def _check_encoder(wanted: Additions, model: Model, header: Mapping[str, object]) -> None:
    if not wanted.image_encoder:
        entry = (model.index or {}).get("image_encoder")
        if not (isinstance(entry, list) and all(entry)):
            raise StudyError(
                'ip_adapter: needs the encoder that it was trained with. Write image_encoder = "...", its folder'
            )
        return
    config = _config("image_encoder", wanted.image_encoder, "an image encoder")
    if not ENCODERS.fullmatch(_architecture(config)):
        what = _architecture(config) or "no model of Transformers"
        raise StudyError(f"image_encoder: {wanted.image_encoder!r} holds {what}, which is no image encoder")
    for tensor, key in (("image_proj.proj.weight", "projection_dim"), ("image_proj.proj_in.weight", "hidden_size")):
        reads, gives = _last_side(header, re.escape(tensor)), config.get(key)
        if reads and isinstance(gives, int) and reads != gives:
            raise StudyError(
                f"image_encoder: {wanted.image_encoder!r} does not fit the IP-Adapter, which reads {reads} numbers of a"
                f" picture and not {gives}. Name the one that it was trained with"
            )


def _config(setting: str, name: str, what: str) -> Mapping[str, object]:
    folder = Path(name).expanduser()
    if not (folder / "config.json").is_file():
        raise StudyError(f"{setting}: {name!r} is no folder of {what}: it holds no config.json. Check its path")
    check_folder(folder)
    if not any(file.suffix == WEIGHTS for file in folder.iterdir()):
        raise StudyError(f"{setting}: {name!r} holds no .safetensors file. Download its weights as safetensors")
    return read_json(folder / "config.json")


def _architecture(config: Mapping[str, object]) -> str:
    named = config.get("architectures")
    return str(named[0]) if isinstance(named, list) and named else ""


def _arguments(pipeline: PipelineClass) -> dict[str, str]:
    """The components that a pipeline is made of, with their annotations."""
    made = function(pipeline.tree, "__init__")
    every = (*made.args.args, *made.args.kwonlyargs) if made else ()
    return {one.arg: ast.unparse(one.annotation) if one.annotation else "" for one in every}


def _accepted(pipeline: PipelineClass, component: str) -> list[str]:
    """The classes of one model that a component may have."""
    names = re.findall(r"\w+", _arguments(pipeline).get(component, ""))
    return [name for name in dict.fromkeys(names) if name.endswith("Model") and "Multi" not in name]


def _last_side(header: Mapping[str, object], pattern: str) -> int:
    """The last dimension of the first tensor whose name matches; 0 where there is none."""
    for name, entry in header.items():
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if re.fullmatch(pattern, name) and isinstance(shape, list) and shape and isinstance(shape[-1], int):
            return shape[-1]
    return 0


def _files(folder: Path) -> Iterator[Path]:
    """The files that decide what an addition answers."""
    if folder.is_dir():
        yield from (file for file in sorted(folder.iterdir()) if file.suffix in (WEIGHTS, ".json") and file.is_file())


def components(wanted: Additions, dtype: Any) -> dict[str, Any]:
    """The components that a pipeline is loaded with, from their folders."""
    import diffusers
    import transformers

    found: dict[str, Any] = {}
    safe = {"use_safetensors": True, "local_files_only": True}
    if wanted.controlnet:
        folder = Path(wanted.controlnet).expanduser()
        kind = getattr(diffusers, str(read_json(folder / "config.json")["_class_name"]))
        found["controlnet"] = kind.from_pretrained(str(folder), torch_dtype=dtype, **safe)
    if wanted.image_encoder:
        folder = Path(wanted.image_encoder).expanduser()
        kind = getattr(transformers, _architecture(read_json(folder / "config.json")))
        found["image_encoder"] = kind.from_pretrained(str(folder), dtype=dtype, **safe)
    return found


def put_on(pipe: Any, wanted: Additions) -> None:
    """Load the IP-Adapter into a pipeline, which then looks at a picture in each of its calls."""
    if wanted.ip_adapter:
        file = Path(wanted.ip_adapter).expanduser()
        pipe.load_ip_adapter(
            str(file.parent), subfolder="", weight_name=file.name, image_encoder_folder=None, local_files_only=True
        )


def scale(pipe: Any, settings: Mapping[str, Value]) -> None:
    """Let the IP-Adapter of a pipeline lead as strongly as a shot asks."""
    if settings.get("ip_adapter"):
        wanted = settings.get("ip_adapter_scale")
        pipe.set_ip_adapter_scale(1.0 if wanted is None else float(wanted))
