"""Components that take the place of a model's own: `transformer = "flux1-dev-Q4_0.gguf"`, `vae = "owner/name"`.

Finds what a study wrote and checks it before anything is loaded: classes and sizes by configuration, files by their
headers, safe formats only. Loads nothing (`part_loading`); knows models, but no shots and no pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from teststrip.batching import DENOISERS
from teststrip.diffusion import gguf, precision, whole
from teststrip.diffusion.models import Model, hub_json, read_json
from teststrip.diffusion.safety import PICKLES, WEIGHTS, part_files, read_header
from teststrip.errors import EngineError, StudyError, among, first_line
from teststrip.plugins import version_of
from teststrip.records import Value
from teststrip.weights import hub, places
from teststrip.weights.digests import Digests

NAMES: Final = ("transformer", "unet", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
"""The components that a study can replace, as Diffusers' pipelines call them."""

GGUF: Final = ".gguf"
INSIDE: Final = "::"
"""Stands between the name of a repository on the Hub and a folder or file inside it."""

AUTOENCODERS: Final = frozenset({"AutoencoderKL", "AutoencoderTiny", "AsymmetricAutoencoderKL"})
"""Classes that can stand in for each other."""

SIZES: Final = {
    **dict.fromkeys(
        ("unet", "transformer"),
        (
            *("in_channels", "cross_attention_dim", "joint_attention_dim", "pooled_projection_dim"),
            *("caption_channels", "cap_feat_dim", "addition_embed_type"),
        ),
    ),
    "vae": ("latent_channels", "z_dim", "block_out_channels"),
    **dict.fromkeys(
        ("text_encoder", "text_encoder_2", "text_encoder_3"),
        ("model_type", "hidden_size", "d_model", "projection_dim", "vocab_size"),
    ),
}
"""What must be equal in the configurations of a component and the one in its place, so that the others fit to it."""

FILE_WITHOUT_CONFIGURATION: Final = (
    "{option}: {model!r} is a single file without the configuration of its parts."
    " Give [engine] config = the folder of its configuration"
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What an engine changes about every model that it loads.

    Attributes:
        quantization: of the denoisers; None = as they are.
        attention: backend of the denoisers' attention; None = Diffusers' default.
        cache: of the denoiser; None = none.
        components: what takes the place of components, by the names of these.
    """

    quantization: str | None = None
    attention: str | None = None
    cache: str | None = None
    components: tuple[tuple[str, str], ...] = ()

    @property
    def facts(self) -> dict[str, object]:
        """What is noted with each picture; nothing where a model is loaded as it is."""
        named: dict[str, object] = {
            "quantization": self.quantization,
            "attention": self.attention,
            "cache": self.cache,
            "parts": dict(self.components),
        }
        return {name: value for name, value in named.items() if value}

    @property
    def why_alone(self) -> str:
        """Why no call can share forwards with another; "" where nothing here speaks against it."""
        if self.cache:
            return f"cache = {self.cache!r} keeps state from step to step"
        known = precision.QUANTIZATIONS.get(self.quantization or "")
        return f"quantization = {self.quantization!r} {known.alone}" if known and known.alone else ""

    @property
    def packed(self) -> str:
        """What keeps a denoiser's weights in a form that only PyTorch computes with, as a study writes it; else ""."""
        if self.quantization:
            return f"quantization = {self.quantization!r}"
        files = (f"{name} = {where!r}" for name, where in self.components if where.endswith(GGUF))
        return next(files, "")


AS_IT_IS: Final = Parts()
"""Nothing is changed about a model."""


@dataclass(frozen=True, slots=True)
class Part:
    """A component that was found, its weights unread.

    Attributes:
        option: the component's name.
        written: as the study wrote it.
        library, kind: of the class that it is loaded as.
        place: the folder with config.json, or the file; of the Hub, where the file will be.
        repo, commit, inside: of the Hub: the repository, its commit, and the folder or file in it; "" on this disk.
    """

    option: str
    written: str
    library: str
    kind: str
    place: Path
    repo: str = ""
    commit: str = ""
    inside: str = ""

    @property
    def is_file(self) -> bool:
        """Whether it is one file of weights, which has no configuration of its own."""
        return self.place.suffix in (WEIGHTS, GGUF)

    @property
    def here(self) -> bool:
        """Whether its weights are on this disk."""
        if self.is_file or not self.repo:
            return self.place.exists()
        return not whole.lacking_in(self.place, self.kind, whole.variant_of(self.place, None))

    def identity(self, digests: Digests, variant: str | None) -> dict[str, object]:
        """What distinguishes these weights from others, as plain JSON."""
        if self.repo:
            return {"repo": self.repo, "commit": self.commit, "inside": self.inside}
        if self.is_file:
            read = {"reader": f"gguf {version_of('gguf')}"} if self.place.suffix == GGUF else {}
            return {"file": digests.of(self.place), **read}
        return {"class": self.kind, "files": {path.name: digests.of(path) for path in part_files(self.place, variant)}}


def denoisers(model: Model) -> dict[str, str]:
    """The denoisers of a model and their classes, as its index names them; empty where it has none."""
    return {name: entry[1] for name in DENOISERS if (entry := _entry(model, name))}


def _entry(model: Model, name: str) -> tuple[str, str] | None:
    """The library and class of a component in the index of a model."""
    match (model.index or {}).get(name):
        case [str(library), str(kind)]:
            return library, kind
    return None


def find(option: str, written: str, model: Model, variant: str | None) -> Part:
    """What a study wrote for a component, found and checked.

    Args:
        option: the component's name.
        written: a folder, a file, or "owner/name::folder" of the Hub.
        model: whose component is replaced.
        variant: of the weight files that are wanted.

    Raises:
        StudyError: there is no such thing, or it does not fit the model.
        EngineError: a file is damaged or could run code, or the Hub cannot be reached.
    """
    if model.index is None:
        raise StudyError(FILE_WITHOUT_CONFIGURATION.format(option=option, model=model.name))
    own = _entry(model, option)
    if own is None:
        has = [name for name in NAMES if _entry(model, name)]
        raise StudyError(f"{option}: {model.pipeline} has no such part{among(option, has, 'It has')}")
    found = _found(option, written, own)
    if found.place.suffix in PICKLES:
        raise StudyError(f"{option}: {written!r} is a pickle, which can run code. Convert it to safetensors")
    if found.is_file:
        return _checked_file(found)
    return _checked_folder(found, model, variant)


def _found(option: str, written: str, own: tuple[str, str]) -> Part:
    name, _, inside = written.partition(INSIDE)
    place = places.place(name, "config.json")
    if inside and place.kind in ("folder", "file"):
        raise StudyError(f"{option}: {INSIDE} goes with a name of the Hub. Write the path of the folder or file itself")
    if place.kind == "folder":
        inner = place.path / option  # the folder of a whole model: its component is meant
        return Part(option, written, *own, inner if (inner / "config.json").is_file() else place.path)
    if place.kind == "file":
        return Part(option, written, *own, place.path)
    if place.kind == "hub" and (place.path.suffix not in (WEIGHTS, GGUF) or inside):
        commit = _commit(option, name)
        return Part(option, written, *own, hub.snapshot(name, commit) / inside, name, commit, inside)
    raise StudyError(
        f"{option}: {written!r} is no folder, no file and no hub name. Write a folder with config.json,"
        f" a {WEIGHTS} or {GGUF} file, or owner/name{INSIDE}folder of the Hugging Face Hub"
    )


def _commit(option: str, repo: str) -> str:
    """The commit of a repository's main branch: the one on this disk, else as the Hub says."""
    here = hub.commit_here(repo, "main")
    if here and hub.COMMIT.fullmatch(here):
        return here
    try:
        found = hub.ask(repo, "main")
    except hub.troubles() as error:
        raise EngineError(
            f"{option}: {repo!r} is not here, and the Hub does not give it ({type(error).__name__}:"
            f" {first_line(error).rstrip('.')}). {hub.remedy(repo)}"
        ) from None
    if not hub.COMMIT.fullmatch(found or ""):
        raise EngineError(f"{option}: the Hugging Face Hub names no commit for {repo!r}")
    return str(found)


def _checked_file(part: Part) -> Part:
    if part.place.suffix == GGUF:
        if part.option not in DENOISERS:
            raise StudyError(f"{part.option}: Diffusers reads {GGUF} files of denoisers alone. Name a {WEIGHTS} file")
        if version_of("gguf") is None:
            raise StudyError(f"{part.option}: a {GGUF} file needs gguf. Run: pip install gguf")
    try:
        if part.here:
            tensors(part.place)
    except EngineError as error:
        raise EngineError(f"{part.option}: {error}") from None
    return part


def tensors(file: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors in a file by name, from its header.

    Raises:
        EngineError: the file is damaged or no such file.
    """
    if file.suffix == GGUF:
        return {name: tensor.shape for name, tensor in gguf.read_header(file).items()}
    found = {}
    for name, entry in read_header(file).items():
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if isinstance(shape, list):
            found[name] = tuple(int(size) for size in shape)
    return found


def _checked_folder(part: Part, model: Model, variant: str | None) -> Part:
    config = config_of(part)
    if not config:
        raise StudyError(f"{part.option}: {part.written!r} holds no config.json. Name the folder of one component")
    names = config.get("_class_name") or config.get("architectures")
    kind = str(names[0] if isinstance(names, list) and names else names or "")
    diffusers = part.library == "diffusers"
    alike = kind == part.kind or {kind, part.kind} <= AUTOENCODERS
    if diffusers and not alike:
        raise StudyError(
            f"{part.option}: {part.written!r} holds a {kind or 'part of unknown class'}, and {model.pipeline} takes"
            f" a {part.kind}. Name one that was made for this kind of model"
        )
    model.config(part.option, "")
    own = model.configs[part.option]
    for key in SIZES[part.option]:
        theirs, ours = _size(config.get(key)), _size(own.get(key))
        if type(theirs) is type(ours) and theirs != ours:
            raise StudyError(
                f"{part.option}: {part.written!r} does not fit {model.name!r}: its {key} is {theirs}, not {ours}."
                " Name one that was made for this kind of model"
            )
    precision.check_packed(part.option, config)
    if not part.repo:
        _check_weights(part, whole.variant_of(part.place, variant))
    return Part(
        *(part.option, part.written, part.library, kind if diffusers else part.kind, part.place),
        *(part.repo, part.commit, part.inside),
    )


def _size(value: object) -> Value:
    """A value of a configuration as it is compared: of a list the number of its entries; None of anything else."""
    if isinstance(value, list):
        return f"{len(value)} entries"
    return value if isinstance(value, str | int | float | bool) else None


def config_of(part: Part) -> Mapping[str, object]:
    """The configuration in the folder of a component, of the Hub fetched where it is missing; else empty."""
    if not part.repo or (part.place / "config.json").is_file():
        return read_json(part.place / "config.json")
    try:
        return hub_json(part.repo, part.commit, f"{part.inside}/config.json".lstrip("/"))
    except (StudyError, EngineError) as error:
        raise type(error)(f"{part.option}: {str(error).removeprefix('model: ')}") from None


def _check_weights(part: Part, variant: str | None) -> None:
    if why := whole.lacking_in(part.place, part.kind, variant):
        raise EngineError(f"{part.option}: {part.written!r} is not whole: {why}. Fetch it again, as safetensors")
    for file in part_files(part.place, variant):
        if file.suffix == WEIGHTS:
            try:
                read_header(file)
            except EngineError as error:
                raise EngineError(f"{part.option}: {error}") from None


def packed_already(model: Model, found: Mapping[str, Part]) -> Value:
    """The denoiser whose configuration says that its weights are quantized already; None where there is none."""
    for name in denoisers(model):
        part = found.get(name)
        if part and part.place.suffix == GGUF:
            return name
        if part and not part.is_file:
            config = config_of(part)
        else:
            model.config(name, "")
            config = model.configs.get(name, {})
        if config.get("quantization_config"):
            return name
    return None
