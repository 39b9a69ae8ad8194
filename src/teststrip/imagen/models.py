"""A model of imagen-pytorch on this disk: what it is, and whether it is whole, known before any weight is loaded.

A model is a folder:

    config.json           {"type": "original", "unets": [{...}, ...], "image_sizes": [64, 256], "timesteps": 250, ...}
    model.safetensors     the state dict of `Imagen`; or model.pt, a checkpoint of the trainer
    text_encoder/         T5: config.json, model.safetensors, tokenizer.json

or the file of a checkpoint, with the other two beside it. A checkpoint that was made with a configuration of the
package holds it, and needs no config.json. Knows JSON and headers; loads nothing and starts nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from teststrip.diffusion.safety import read_header
from teststrip.errors import EngineError, StudyError, among, shortened
from teststrip.imagen import checkpoints
from teststrip.imagen.knobs import Sampler
from teststrip.weights.digests import Digests

CONFIG: Final = "config.json"
WEIGHTS: Final = ("model.safetensors", "model.pt")
TEXT_ENCODER: Final = "text_encoder"
MOST_STEPS: Final = 10_000
MOST_CONFIG: Final = 2**20  # bytes

UNET: Final = frozenset(
    """
    dim text_embed_dim num_resnet_blocks cond_dim num_image_tokens num_time_tokens learned_sinu_pos_emb_dim
    out_dim dim_mults cond_images_channels channels channels_out attn_dim_head attn_heads ff_mult lowres_cond
    layer_attns layer_attns_depth layer_mid_attns_depth layer_attns_add_text_cond attend_at_middle
    layer_cross_attns use_linear_attn use_linear_cross_attn cond_on_text max_text_len init_dim
    init_conv_kernel_size init_cross_embed init_cross_embed_kernel_sizes cross_embed_downsample
    cross_embed_downsample_kernel_sizes attn_pool_text attn_pool_num_latents dropout memory_efficient
    init_conv_to_final_conv_residual use_global_context_attn scale_skip_connection final_resnet_block
    final_conv_kernel_size self_cond resize_mode combine_upsample_fmaps pixel_shuffle_upsample
    """.split()  # noqa: SIM905 - a list would fill a page
)
"""The arguments of `Unet` in imagen-pytorch 2.1.0."""

IMAGEN: Final = frozenset(
    """
    unets image_sizes text_embed_dim channels timesteps cond_drop_prob loss_type noise_schedules pred_objectives
    random_crop_sizes lowres_noise_schedule lowres_sample_noise_level per_sample_random_aug_noise_level
    condition_on_text auto_normalize_img dynamic_thresholding dynamic_thresholding_percentile
    only_train_unet_number resize_mode min_snr_loss_weight min_snr_gamma
    """.split()  # noqa: SIM905 - a list would fill a page
)
"""The arguments of `Imagen` in imagen-pytorch 2.1.0 that a model of pictures has."""

BESIDE: Final = frozenset({"type", "video", "text_encoder", "text_encoder_name"})
"""Keys of a configuration that are no arguments; a trainer writes the second and the last."""

FIXED: Final[Mapping[str, tuple[Any, str]]] = {
    "type": ("original", "only Imagen itself is run, not ElucidatedImagen"),
    "video": (False, "it makes videos"),
    "channels": (3, "its pictures are not in red, green and blue"),
    "condition_on_text": (True, "it does not read prompts"),
    "auto_normalize_img": (True, "its pixels have a range of their own"),
}
"""What a model must be, and what it is otherwise."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model whose files were checked.

    Attributes:
        name: as the study writes it.
        config: the arguments of `Imagen`, with those of each stage under "unets".
        weights: the file.
        text_encoder: the folder.
        own: what the model does where no setting says otherwise.
    """

    name: str
    config: Mapping[str, Any]
    weights: Path
    text_encoder: Path
    own: Sampler

    @property
    def averages(self) -> bool:
        """Whether the file may hold averaged weights beside the trained ones."""
        return self.weights.suffix == ".pt"

    def identity(self, digests: Digests) -> dict[str, object]:
        """What tells this model from others: its configuration, and the digests of its files."""
        texts = sorted(path for path in self.text_encoder.iterdir() if path.suffix in _TEXT_FILES)
        return {
            "config": dict(self.config),
            "weights": digests.of(self.weights),
            "text_encoder": {path.name: digests.of(path) for path in texts},
        }


_TEXT_FILES: Final = frozenset({".json", ".safetensors", ".model"})


def read(name: str, text_encoder: str = "") -> Model:
    """Read a model's configuration and the headers of its weights.

    Args:
        name: a folder, or the file of a checkpoint.
        text_encoder: the folder of a T5 in another place; "" = the model's own.

    Raises:
        StudyError: there is no such model, or it cannot be used here; the message begins with the setting.
    """
    try:
        return _read(name, text_encoder)
    except (EngineError, OSError) as error:
        raise StudyError(f"model: {error}") from error


def _read(name: str, text_encoder: str) -> Model:
    place = Path(name).expanduser()
    folder = place if place.is_dir() else place.parent
    weights = place if place.is_file() else next((f for f in (folder / w for w in WEIGHTS) if f.is_file()), None)
    if not place.exists() or weights is None or weights.suffix not in (".safetensors", ".pt"):
        raise EngineError(
            f"{shortened(name, 200)!r} is no folder with {' or '.join(WEIGHTS)}, and no .pt file of the trainer."
            " docs/engines.md shows the layout"
        )
    config = _json(folder / CONFIG) if (folder / CONFIG).is_file() else None
    if weights.suffix == ".pt":
        saved = checkpoints.read(weights)
        shapes: Mapping[str, tuple[int, ...]] = saved.shapes
        if config is None and saved.params is not None:
            config = {"type": saved.kind or "original", **json.loads(json.dumps(dict(saved.params), default=str))}
    else:
        shapes = {key: _shape(entry) for key, entry in read_header(weights).items() if key != "__metadata__"}
    if config is None:
        raise EngineError(f"{folder}: there is no {CONFIG}, and the weights do not say how their model is built")
    checked = _checked(config, shapes, folder / CONFIG)
    own_encoder = config.get("text_encoder", TEXT_ENCODER)
    encoder = Path(text_encoder).expanduser() if text_encoder else folder / str(own_encoder)
    _check_encoder(encoder, checked["text_embed_dim"])
    return Model(name, checked, weights, encoder, _sampler(checked, folder / CONFIG))


def _checked(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], place: Path) -> dict[str, Any]:
    """The arguments of `Imagen`, after a look at each and at the shapes of the weights."""
    for key, (needed, otherwise) in FIXED.items():
        if config.get(key, needed) != needed:
            raise EngineError(f"{place}: {key} is {config[key]!r}, so {otherwise}. That cannot be used here")
    _known(config, IMAGEN | BESIDE, str(place))
    unets, sizes = config.get("unets"), config.get("image_sizes")
    if not isinstance(unets, list) or not unets or not all(isinstance(unet, dict) for unet in unets):
        raise EngineError(f"{place}: unets is no list of tables, one for each stage")
    if not isinstance(sizes, list) or len(sizes) != len(unets) or not all(_whole(size, 8192) for size in sizes):
        raise EngineError(f"{place}: image_sizes is no list of {len(unets)} sides in pixels, one for each stage")
    for number, unet in enumerate(unets, 1):
        if unet.get("is_null"):
            raise EngineError(f"{place}: stage {number} is empty, so that nothing can be drawn by it")
        _known(unet, UNET, f"{place}: unets[{number}]")
        if unet.get("cond_images_channels"):
            raise EngineError(f"{place}: stage {number} needs a picture beside the prompt. That cannot be used here")
    width = _width(config, shapes, len(unets), place)
    arguments = {key: value for key, value in config.items() if key in IMAGEN}
    unets = [{**unet, "text_embed_dim": width} for unet in unets]
    return {**arguments, "unets": unets, "text_embed_dim": width}


def _known(table: Mapping[str, object], names: frozenset[str], place: str) -> None:
    for key in table:
        if key not in names:
            hint = among(key, sorted(names), "Known").partition(" Known:")[0]
            raise EngineError(f"{place}: imagen-pytorch has no argument {key!r}{hint}")


def _width(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], stages: int, place: Path) -> int:
    """The width of the text's embeddings, by the weights; their stages must be those of the configuration."""
    found = {part[1] for part in (key.split(".", 2) for key in shapes) if part[0] == "unets" and len(part) == 3}
    if found != {str(number) for number in range(stages)}:
        raise EngineError(f"{place}: it has {stages} stages, the weights have {len(found)}")
    shape = shapes.get("unets.0.text_to_cond.weight", ())
    if len(shape) != 2:
        raise EngineError(f"{place}: the weights hold no 'unets.0.text_to_cond.weight', so they do not read prompts")
    if config.get("text_embed_dim", shape[1]) != shape[1]:
        raise EngineError(f"{place}: text_embed_dim is {config['text_embed_dim']!r}, but the weights take {shape[1]}")
    return shape[1]


def _sampler(config: Mapping[str, Any], place: Path) -> Sampler:
    count = len(config["unets"])

    def each(key: str, unset: Any, fits: Callable[[Any], bool]) -> tuple[Any, ...]:
        value = config.get(key, unset)
        values = tuple(value) if isinstance(value, list) else (value,) * count
        if len(values) != count or not all(fits(one) for one in values):
            raise EngineError(f"{place}: {key} is {value!r}, which is no value for each of {count} stages")
        return values

    def share(key: str, unset: float) -> float:
        value = config.get(key, unset)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise EngineError(f"{place}: {key} is {value!r}, which is no number from 0 to 1")
        return float(value)

    return Sampler(
        sizes=tuple(config["image_sizes"]),
        timesteps=each("timesteps", 1000, lambda value: _whole(value, MOST_STEPS)),
        dynamic_thresholding=each("dynamic_thresholding", True, lambda value: isinstance(value, bool)),  # noqa: FBT003
        dynamic_thresholding_percentile=share("dynamic_thresholding_percentile", 0.95),
        lowres_sample_noise_level=share("lowres_sample_noise_level", 0.2),
        guided=share("cond_drop_prob", 0.1) > 0,
    )


def _check_encoder(folder: Path, width: int) -> None:
    if not (folder / CONFIG).is_file():
        raise EngineError(
            f"{folder}: there is no {CONFIG} of a T5. Copy the text encoder that the model was trained with there,"
            ' or name its folder: [engine] text_encoder = "..."'
        )
    config = _json(folder / CONFIG)
    if config.get("model_type") not in ("t5", "mt5", "umt5"):
        raise EngineError(f"{folder}: it is of type {config.get('model_type')!r}, but texts are read by a T5")
    if config.get("d_model") != width:
        raise EngineError(
            f"{folder}: this T5 gives {config.get('d_model')} numbers a token, the model takes {width}. Another T5 fits"
        )
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise EngineError(f"{folder}: there is no .safetensors. Pickled text encoders are not loaded: convert it first")
    for file in files:
        read_header(file)
    if not any(list(folder.glob(pattern)) for pattern in ("tokenizer.json", "*.model")):
        raise EngineError(f"{folder}: there is no tokenizer.json and no spiece.model")


def _json(file: Path) -> dict[str, Any]:
    if file.stat().st_size > MOST_CONFIG:
        raise EngineError(f"{file}: it has {file.stat().st_size:,} bytes, which is no configuration")
    try:
        content = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError):
        raise EngineError(f"{file}: it is no JSON") from None
    if not isinstance(content, dict):
        raise EngineError(f"{file}: it holds no table")
    return content


def _shape(entry: object) -> tuple[int, ...]:
    shape = entry.get("shape") if isinstance(entry, dict) else None
    return tuple(shape) if isinstance(shape, list) and all(isinstance(side, int) for side in shape) else ()


def _whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
