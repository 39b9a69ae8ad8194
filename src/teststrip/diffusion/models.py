"""What a study calls `model`, found: the embedded one, a folder, a single file, or a name on the Hugging Face Hub.

Finds the pipeline's class and configuration before any weight is fetched, and what identifies the weights. Imports
huggingface_hub only for a hub name. Knows nothing of torch, shots or pictures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, cast

from teststrip.diffusion.safety import PICKLES, WEIGHTS, check_folder, check_index, read_header, weight_files
from teststrip.diffusion.whole import lacking
from teststrip.errors import EngineError, MissingExtra, StudyError, first_line
from teststrip.records import Value
from teststrip.weights import hub, places
from teststrip.weights.digests import Digests

EMBEDDED: Final = places.EMBEDDED

UNREACHABLE: Final = "the Hugging Face Hub cannot be reached"
GATED: Final = "{repo!r} is gated: its owner has not let you in. Ask on its page of the Hub, and run: hf auth login"

# What a single file holds, by a tensor that no other kind has: pipeline class, and the scheduler its authors used.
# "model.diffusion_model." before such a name is what ComfyUI puts before it.
SINGLE_FILES: Final = (
    ("conditioner.embedders.1.", "StableDiffusionXLPipeline", "EulerDiscreteScheduler"),
    ("cond_stage_model.", "StableDiffusionPipeline", "PNDMScheduler"),
    ("joint_blocks.", "StableDiffusion3Pipeline", "FlowMatchEulerDiscreteScheduler"),
    ("distilled_guidance_layer.", "ChromaPipeline", "FlowMatchEulerDiscreteScheduler"),
    ("single_stream_modulation.", "", ""),  # Flux.2, of which Diffusers reads no single file, has double blocks, too
    ("double_blocks.", "FluxPipeline", "FlowMatchEulerDiscreteScheduler"),
    ("layers.0.adaLN_modulation.", "ZImagePipeline", "FlowMatchEulerDiscreteScheduler"),
)
PREFIX: Final = "model.diffusion_model."
PARTS: Final = ("vae.", "first_stage_model.", "text_encoders.", "cond_stage_model.", "conditioner.")
"""What the names of tensors begin with in a file that has more than the denoiser."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that was found, its weights unread.

    Attributes:
        name: as the study wrote it.
        pipeline: name of its pipeline class.
        scheduler: class and configuration of its own scheduler; ("", {}) when the pipeline has none.
        folder: with model_index.json; None for a single file without configuration and for a hub model.
        file: the single safetensors file; None for a folder and for a hub model.
        repo: owner/name of a hub model; "" for a model on this disk.
        commit: of a hub model, 40 hexadecimal digits.
        index: the content of model_index.json; None for a single file.
        configs: the configurations of components that were read already.
        pictures: names of those that the pipeline is given with each text; with some, its class may be another than
            the one that the model was saved as.
    """

    name: str
    pipeline: str
    scheduler: tuple[str, Mapping[str, object]]
    folder: Path | None = None
    file: Path | None = None
    repo: str = ""
    commit: str = ""
    index: Mapping[str, object] | None = None
    configs: dict[str, Mapping[str, object]] = field(default_factory=dict, compare=False, repr=False)
    pictures: frozenset[str] = frozenset()

    def config(self, component: str, key: str) -> Value:
        """A value of a component's configuration ("" is the pipeline); None when the value is not known."""
        if component not in self.configs:
            self.configs[component] = self._config(component)
        value = self.configs[component].get(key)
        return value if isinstance(value, str | int | float | bool) else None

    def _config(self, component: str) -> Mapping[str, object]:
        if not component:
            return self.index or {}
        file = f"{component}/config.json"
        if self.folder and component.isidentifier():
            return read_json(self.folder / file)
        return hub_json(self.repo, self.commit, file) if self.repo and component.isidentifier() else {}

    def identity(self, digests: Digests, variant: str | None) -> dict[str, object]:
        """What distinguishes these weights from others, as plain JSON: a commit, or the SHA-256 of each file."""
        if self.repo:
            return {"repo": self.repo, "commit": self.commit}
        identity: dict[str, object] = {}
        if self.file:
            identity["file"] = digests.of(self.file)
        if self.folder:
            folder = self.folder
            identity["files"] = {
                path.relative_to(folder).as_posix(): digests.of(path) for path in weight_files(folder, variant)
            }
        return identity

    @property
    def home(self) -> Path | None:
        """The folder on this disk, also of a hub model; None where there is none (yet)."""
        if not self.repo:
            return self.folder
        kept = hub.snapshot(self.repo, self.commit)
        return kept if kept.is_dir() else None

    def weights(self, component: str) -> tuple[Path, ...]:
        """The weight files of a component that are on this disk, of whatever variant; none of a single file's."""
        return tuple(sorted((self.home / component).glob(f"*{WEIGHTS}"))) if self.home and not self.file else ()

    def check(self) -> None:
        """Raise EngineError when files that are here already could run code, or are cut off."""
        if self.file:
            read_header(self.file)
        if self.home:
            check_folder(self.home)


def find(name: str, revision: str | None = None, config: str | None = None, variant: str | None = None) -> Model:
    """The model of a name.

    Args:
        name: "emoji", a folder, a .safetensors file, or a hub name; relative paths start at the working folder.
        revision: branch, tag or commit of a hub name.
        config: the folder of configuration for a single file.
        variant: of the weight files that are wanted.

    Raises:
        StudyError: there is no such model.
        EngineError: the model could run code or is damaged, or the hub cannot be reached.
    """
    place = places.place(name, "model_index.json")
    if name == EMBEDDED and place.kind != "embedded":
        raise EngineError("the embedded model 'emoji' is not part of this installation. Name another model")
    if place.kind in ("embedded", "folder"):
        return _in_folder(name, place.path)
    if place.kind == "file":
        return _single_file(name, place.path, config)
    if place.kind == "hub":
        return _on_hub(name, revision, variant)
    raise StudyError(
        f"model: {name!r} is no folder, no file and no hub name."
        f" Write 'emoji', a model folder, a .safetensors file, or owner/name of the Hugging Face Hub{_slip(name)}"
    )


def _slip(name: str) -> str:
    """What went wrong in writing a path, as the end of a message; "" where nothing did that can be seen."""
    if name[:1] in ("'", '"'):
        return ". It has quotes inside its quotes: take away the inner ones"
    if not name.isprintable():
        return r". In double quotes a backslash begins a sign: put a Windows path into single quotes, 'C:\new\model'"
    return ""


def _in_folder(name: str, folder: Path) -> Model:
    index_file = folder / "model_index.json"
    if not index_file.is_file():
        raise StudyError(
            f"model: {name!r} holds no model_index.json. Name the folder that save_pretrained of a pipeline wrote"
        )
    index = read_json(index_file)
    check_index(index, index_file)
    return Model(
        name=name,
        pipeline=str(index["_class_name"]),
        scheduler=_scheduler(index, read_json(folder / "scheduler" / "scheduler_config.json")),
        folder=folder,
        index=index,
    )


def _single_file(name: str, file: Path, config: str | None) -> Model:
    if file.suffix in PICKLES:
        raise StudyError(f"model: {name!r} is a pickle, which can run code. Convert it to safetensors")
    header = read_header(file)
    if config:
        return replace(_in_folder(config, Path(config).expanduser()), name=name, file=file)
    names = [tensor.removeprefix(PREFIX) for tensor in header]
    known = ((pipeline, scheduler) for start, pipeline, scheduler in SINGLE_FILES if _any_begins(names, start))
    pipeline, scheduler = next(known, ("", ""))
    if not pipeline:
        raise StudyError(
            f"model: {name!r} holds no model of a known kind (Stable Diffusion 1, 2, XL, 3, Flux, Chroma, Z-Image)."
            " Name a model folder, or give [engine] config = the folder of its configuration"
        )
    if not any(_any_begins(names, part) for part in PARTS):
        raise StudyError(
            f"model: {name!r} holds the denoiser of a {pipeline} alone, without text encoder and VAE."
            " Name a file that has all parts, or a model folder and, as [engine] transformer or unet, this file"
        )
    return Model(name, pipeline, (scheduler, {}), file=file)


def _any_begins(names: Iterable[str], start: str) -> bool:
    return any(name.startswith(start) for name in names)


def _on_hub(name: str, revision: str | None, variant: str | None) -> Model:
    commit = _commit(name, revision or "main", variant)
    index = hub_json(name, commit, "model_index.json")
    if not index:
        raise StudyError(f"model: {name!r} on the hub holds no model_index.json, so it is no Diffusers pipeline")
    check_index(index, Path(name) / "model_index.json")
    return Model(
        name=name,
        pipeline=str(index["_class_name"]),
        scheduler=_scheduler(index, hub_json(name, commit, "scheduler/scheduler_config.json")),
        repo=name,
        commit=commit,
        index=index,
    )


def _commit(repo: str, revision: str, variant: str | None) -> str:
    """The commit of a revision, 40 hexadecimal digits: of what is whole on this disk, else as the hub says.

    A model that lies whole on this disk is used as it lies, so that a study goes on with the weights that it began
    with, and without a network. `hf download` fetches what the branch has become.
    """
    if hub.COMMIT.fullmatch(revision):
        return revision
    try:
        troubles = hub.troubles()
    except MissingExtra:
        raise EngineError(f"model: {repo!r} is a name on the Hub. Run: pip install 'teststrip[diffusers]'") from None
    here = hub.commit_here(repo, revision)
    if here and hub.COMMIT.fullmatch(here) and _whole(repo, here, variant):
        return here
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        found = hub.ask(repo, revision)
    except RevisionNotFoundError:
        raise StudyError(f"revision: {repo!r} has no {revision!r} on the Hugging Face Hub") from None
    except GatedRepoError:
        raise StudyError(f"model: {GATED.format(repo=repo)}") from None
    except RepositoryNotFoundError:
        raise StudyError(
            f"model: the Hugging Face Hub shows no {repo!r}, and there is no such folder here."
            " Check the name; a gated model needs `hf auth login`"
        ) from None
    except troubles as error:
        if not here:
            raise EngineError(
                f"model: {repo!r} is not here, and {UNREACHABLE} ({type(error).__name__}). {hub.remedy(repo)}"
            ) from None
        found = here
    if not hub.COMMIT.fullmatch(found or ""):
        raise EngineError(f"model: the Hugging Face Hub names no commit for {repo!r} at {revision!r}")
    return cast("str", found)


def _whole(repo: str, commit: str, variant: str | None) -> bool:
    """Whether the hub's cache on this disk holds all that the pipeline of a hub model loads."""
    folder = hub.snapshot(repo, commit)
    index = read_json(folder / "model_index.json")
    return bool(index) and not lacking(folder, index, variant)


def hub_json(repo: str, commit: str, file: str) -> Mapping[str, object]:
    """A small file of a hub model, from the cache or fetched; empty when the model has no such file."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, LocalEntryNotFoundError

    kept = hub.snapshot(repo, commit) / file
    if kept.is_file() or _whole(repo, commit, None):
        return read_json(kept)
    try:
        hub.ask(repo, commit)
        return read_json(Path(hf_hub_download(repo, file, revision=commit)))
    except GatedRepoError:
        raise StudyError(f"model: {GATED.format(repo=repo)}") from None
    except LocalEntryNotFoundError as error:
        trouble: Exception = error
    except EntryNotFoundError:
        return {}
    except hub.troubles() as error:
        trouble = error
    raise EngineError(
        f"model: {file} of {repo!r} is not here, and {UNREACHABLE} ({type(trouble).__name__})."
        f" {hub.remedy(repo, commit)}"
    )


def fetch(model: Model, variant: str | None) -> Path:
    """The folder of a hub model at its commit, downloaded where it is missing: safetensors and configuration alone.

    Raises:
        EngineError: the hub cannot be reached, or the files could run code.
    """
    folder = hub.snapshot(model.repo, model.commit)
    if what := lacking(folder, model.index or {}, variant):
        folder = _download(model, variant, what)
    check_folder(folder)
    return folder


def _download(model: Model, variant: str | None, what: str) -> Path:
    """Fetch what is missing. The hub is asked first, because Diffusers would go on without it and load a part."""
    from diffusers import DiffusionPipeline

    try:
        hub.ask(model.repo, model.commit)
        return Path(
            DiffusionPipeline.download(
                model.repo, revision=model.commit, variant=variant, use_safetensors=True, trust_remote_code=False
            )
        )
    except hub.troubles() as error:
        raise EngineError(
            f"model: {model.repo!r} at {model.commit} is not whole on this disk ({what}) and cannot be fetched:"
            f" {first_line(error).rstrip('.')}. {hub.remedy(model.repo, model.commit)}"
        ) from None


def _scheduler(index: Mapping[str, object], config: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
    entry = index.get("scheduler")
    name = entry[1] if isinstance(entry, list) and len(entry) == 2 else ""
    return (name or "", config)


def read_json(file: Path) -> Mapping[str, object]:
    """The table in a JSON file; empty where there is no such file, or it holds something else.

    Raises:
        EngineError: the file is damaged.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        raise EngineError(f"{file}: this is no JSON. Fetch the model again") from None
    return found if isinstance(found, dict) else {}
