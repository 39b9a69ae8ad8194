"""What a study calls `model`, found: the embedded one, a folder, a single file, or a name on the Hugging Face Hub.

Finds the pipeline's class and configuration before any weight is fetched, and what identifies the weights. Imports
huggingface_hub only for a hub name. Knows nothing of torch, shots or pictures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, cast

from teststrip.diffusion.safety import PICKLES, check_folder, check_index, read_header, weight_files
from teststrip.errors import EngineError, MissingExtra, StudyError, first_line
from teststrip.records import Value
from teststrip.weights import hub, places
from teststrip.weights.digests import Digests

EMBEDDED: Final = places.EMBEDDED

# What a single file holds, by a tensor that no other kind has: pipeline class, and the scheduler its authors used.
SINGLE_FILES: Final = (
    ("conditioner.embedders.1.", "StableDiffusionXLPipeline", "EulerDiscreteScheduler"),
    ("cond_stage_model.", "StableDiffusionPipeline", "PNDMScheduler"),
    ("model.diffusion_model.joint_blocks.", "StableDiffusion3Pipeline", "FlowMatchEulerDiscreteScheduler"),
    ("double_blocks.", "FluxPipeline", "FlowMatchEulerDiscreteScheduler"),
)


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
            return _json(self.folder / file)
        return _hub_json(self.repo, self.commit, file) if self.repo and component.isidentifier() else {}

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

    def check(self) -> None:
        """Raise EngineError when files that are here already could run code, or are cut off."""
        if self.file:
            read_header(self.file)
        if self.folder:
            check_folder(self.folder)


def find(name: str, revision: str | None = None, config: str | None = None) -> Model:
    """The model of a name.

    Args:
        name: "emoji", a folder, a .safetensors file, or a hub name; relative paths start at the working folder.
        revision: branch, tag or commit of a hub name.
        config: the folder of configuration for a single file.

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
        return _on_hub(name, revision)
    raise StudyError(
        f"model: {name!r} is no folder, no file and no hub name."
        " Write 'emoji', a model folder, a .safetensors file, or owner/name of the Hugging Face Hub"
    )


def _in_folder(name: str, folder: Path) -> Model:
    index_file = folder / "model_index.json"
    if not index_file.is_file():
        raise StudyError(
            f"model: {name!r} holds no model_index.json. Name the folder that save_pretrained of a pipeline wrote"
        )
    index = _json(index_file)
    check_index(index, index_file)
    return Model(
        name=name,
        pipeline=str(index["_class_name"]),
        scheduler=_scheduler(index, _json(folder / "scheduler" / "scheduler_config.json")),
        folder=folder,
        index=index,
    )


def _single_file(name: str, file: Path, config: str | None) -> Model:
    if file.suffix in PICKLES:
        raise StudyError(f"model: {name!r} is a pickle, which can run code. Convert it to safetensors")
    header = read_header(file)
    if config:
        return replace(_in_folder(config, Path(config).expanduser()), name=name, file=file)
    for prefix, pipeline, scheduler in SINGLE_FILES:
        if any(tensor.startswith(prefix) for tensor in header):
            return Model(name, pipeline, (scheduler, {}), file=file)
    raise StudyError(
        f"model: {name!r} holds no model of a known kind (Stable Diffusion 1, 2, XL, 3, Flux)."
        " Name a model folder, or give [engine] config = the folder of its configuration"
    )


def _on_hub(name: str, revision: str | None) -> Model:
    commit = _commit(name, revision or "main")
    index = _hub_json(name, commit, "model_index.json")
    if not index:
        raise StudyError(f"model: {name!r} on the hub holds no model_index.json, so it is no Diffusers pipeline")
    check_index(index, Path(name) / "model_index.json")
    return Model(
        name=name,
        pipeline=str(index["_class_name"]),
        scheduler=_scheduler(index, _hub_json(name, commit, "scheduler/scheduler_config.json")),
        repo=name,
        commit=commit,
        index=index,
    )


def _commit(repo: str, revision: str) -> str:
    """The commit of a revision, 40 hexadecimal digits: from the hub, or from the local cache without a network."""
    if hub.COMMIT.fullmatch(revision):
        return revision
    try:
        troubles = hub.troubles()
    except MissingExtra:
        raise EngineError(f"model: {repo!r} is a name on the Hub. Run: pip install 'teststrip[diffusers]'") from None
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError

    try:
        if not hub.may_fetch():
            raise OfflineModeIsEnabled("nothing is fetched here")
        found = HfApi().model_info(repo, revision=revision, timeout=20).sha
    except RevisionNotFoundError:
        raise StudyError(f"revision: {repo!r} has no {revision!r} on the Hugging Face Hub") from None
    except RepositoryNotFoundError:
        raise StudyError(
            f"model: the Hugging Face Hub shows no {repo!r}, and there is no such folder here."
            " Check the name; a gated model needs `hf auth login`"
        ) from None
    except troubles as error:
        found = hub.commit_here(repo, revision)
        if not found:
            raise EngineError(
                f"model: {repo!r} is not here, and the Hugging Face Hub cannot be reached ({type(error).__name__})."
                f" {hub.remedy(repo)}"
            ) from None
    if not hub.COMMIT.fullmatch(found or ""):
        raise EngineError(f"model: the Hugging Face Hub names no commit for {repo!r} at {revision!r}")
    return cast("str", found)


def _hub_json(repo: str, commit: str, file: str) -> Mapping[str, object]:
    """A small file of a hub model, fetched or from the cache; empty when the model has no such file."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return _json(Path(hf_hub_download(repo, file, revision=commit)))
    except LocalEntryNotFoundError:
        raise EngineError(
            f"model: {file} of {repo!r} is not here, and the Hugging Face Hub cannot be reached."
            f" {hub.remedy(repo, commit)}"
        ) from None
    except EntryNotFoundError:
        return {}


def fetch(model: Model, variant: str | None) -> Path:
    """The folder of a hub model at its commit, downloaded where it is missing: safetensors and configuration alone.

    Raises:
        EngineError: the hub cannot be reached, or the files could run code.
    """
    from diffusers import DiffusionPipeline

    try:
        folder = DiffusionPipeline.download(
            model.repo, revision=model.commit, variant=variant, use_safetensors=True, trust_remote_code=False
        )
    except hub.troubles() as error:
        raise EngineError(
            f"model: {model.repo!r} at {model.commit} cannot be fetched: {first_line(error).rstrip('.')}."
            f" {hub.remedy(model.repo, model.commit)}"
        ) from None
    check_folder(Path(folder))
    return Path(folder)


def _scheduler(index: Mapping[str, object], config: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
    entry = index.get("scheduler")
    name = entry[1] if isinstance(entry, list) and len(entry) == 2 else ""
    return (name or "", config)


def _json(file: Path) -> Mapping[str, object]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        raise EngineError(f"{file}: this is no JSON. Fetch the model again") from None
    return found if isinstance(found, dict) else {}
