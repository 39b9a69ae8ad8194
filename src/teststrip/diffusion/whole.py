"""Whether a model folder holds all that its pipeline loads: known from names of files, without reading weights.

A download that was broken off, or a copy of some files, loads in parts: Diffusers stops with a long message, and some
tokenizers start without their words. Knows the layouts that `save_pretrained` and the Hub have; nothing of networks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from teststrip.diffusion.safety import WEIGHTS, components

WITHOUT_WEIGHTS: Final = re.compile(r"Scheduler|Tokenizer|Processor|FeatureExtractor|Guider")
"""In the class of a component that is configuration alone."""

WORDS: Final = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")
"""Patterns of the files in which tokenizers keep their words."""

SHARD: Final = re.compile(r"-\d{5}-of-\d{5}")
INDEX: Final = re.compile(r"\.safetensors\.index(?:\.[\w-]+)?\.json$")


def lacking(folder: Path, index: Mapping[str, object], variant: str | None) -> str:
    """The first thing that a pipeline's folder lacks, in words; "" where it is whole.

    Args:
        folder: with model_index.json.
        index: the content of model_index.json.
        variant: of the weight files that are wanted, for example "fp16"; a component without them gives its plain ones.
            None = the plain ones, or the only ones.
    """
    why = _first_lacking(folder, index, variant)
    return "" if why and variant is None and only_variant(folder, index) else why


def _first_lacking(folder: Path, index: Mapping[str, object], variant: str | None) -> str:
    for name, kind in components(index):
        place = folder / name if (folder / name).is_dir() else folder  # some repositories keep one component on top
        if why := lacking_in(place, kind, variant):
            return f"{name}: {why}"
    return ""


def only_variant(folder: Path, index: Mapping[str, object]) -> str | None:
    """The variant of a folder that has no plain weights: people keep the files in half precision alone.

    Args:
        folder: with model_index.json.
        index: the content of model_index.json.

    Returns:
        "fp16" and the like; None where plain weights are there, or where there is no one variant.
    """
    if not _first_lacking(folder, index, None):
        return None
    files = [file.name for name, _ in components(index) for file in (folder / name).glob(f"*{WEIGHTS}")]
    tags = {tag for name in files if (tag := _tag(name))}
    whole = [tag for tag in sorted(tags) if not _first_lacking(folder, index, tag)]
    return whole[0] if len(whole) == 1 else None


def variant_of(place: Path, variant: str | None) -> str | None:
    """The variant to load of one component's folder: the wanted one, else the plain weights, else the only ones."""
    tags = {_tag(file.name) for file in place.glob(f"*{WEIGHTS}")}
    if variant in tags or None in tags or len(tags) != 1:
        return variant if variant in tags else None
    return next(iter(tags))


def lacking_in(place: Path, kind: str, variant: str | None) -> str:
    """What the folder of a component of this class lacks, in words; "" where it is whole.

    Args:
        place: the folder.
        kind: the class of the component.
        variant: as in `lacking`.
    """
    if "Scheduler" in kind:
        return _absent(place, "scheduler_config.json")
    if "Tokenizer" in kind:
        if not any(list(place.glob(pattern)) for pattern in WORDS):
            return f"no {WORDS[0]}"
        pairs = (place / "vocab.json").is_file() and not (place / "tokenizer.json").is_file()
        return _absent(place, "tokenizer_config.json") or (_absent(place, "merges.txt") if pairs else "")
    if WITHOUT_WEIGHTS.search(kind):
        return "" if list(place.glob("*config.json")) else "no configuration"
    return _absent(place, "config.json") or _weights_lacking(place, variant)


def _absent(place: Path, name: str) -> str:
    return "" if (place / name).is_file() else f"no {name}"


def _weights_lacking(place: Path, variant: str | None) -> str:
    """Why no set of weights is whole; "" where one is, of the variant or plain."""
    whys = [why for tag in dict.fromkeys((variant, None)) for why in _sets(place, tag)]
    return "" if "" in whys else next(iter(whys), "no weights as safetensors")


def _sets(place: Path, tag: str | None) -> Iterator[str]:
    """For each set of weight files of a variant, what it lacks; "" for a whole one."""
    for file in sorted(place.glob("*")):
        if _tag(file.name) != tag:
            continue
        if INDEX.search(file.name):
            yield _shards_lacking(file)
        elif file.suffix == WEIGHTS and file.is_file():
            yield f"no index of {file.name}" if SHARD.search(file.name) else ""


def _shards_lacking(index: Path) -> str:
    try:
        shards = {str(name) for name in json.loads(index.read_text("utf-8"))["weight_map"].values()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return f"{index.name} is damaged"
    gone = sorted(name for name in shards if not (index.parent / name).is_file())
    return f"no {gone[0]}" if gone else ""


def _tag(name: str) -> str | None:
    """The variant in the name of a weight file or of its index: "model.fp16-00001-of-00002.safetensors" is "fp16"."""
    parts = [part for part in SHARD.sub("", name).split(".")[1:] if part not in ("safetensors", "index", "json")]
    return parts[0] if parts else None
