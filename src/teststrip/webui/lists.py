"""What a server has: models, samplers, schedules, VAEs, upscalers, styles, options, extensions.

A name of a study is found by the server's own name, title, hash or alias, and else by what the field calls the same
sampler (`vocabulary`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from teststrip.errors import among, shortened
from teststrip.vocabulary import SAMPLERS, SPACINGS, plainly, sampler_named

API = "/sdapi/v1"
ENDINGS = (".safetensors", ".ckpt", ".pt", ".pth", ".gguf", ".bin", ".sft")
"""Endings of models' files."""
NO_HASH = "8888888888"
"""What stable-diffusion.cpp and koboldcpp write for the hash of every model."""
ACTING = (
    *(
        "randn_source",
        "eta_noise_seed_delta",
        "CLIP_stop_at_last_layers",
        "clip_skip",
        "sd_vae",
        "sd_unet",
        "fp8_storage",
    ),
    *("token_merging_ratio", "s_min_uncond", "eta_ddim", "eta_ancestral", "emphasis", "prompt_attention", "rho"),
    *("sd_vae_decode_method", "comma_padding_backtrack", "use_old_karras_scheduler_sigmas", "sd_noise_schedule"),
    *(
        "forge_additional_modules",
        "forge_unet_storage_dtype",
        "sd_lora",
        "diffusers_dtype",
        "use_old_emphasis_implementation",
    ),
    *("always_discard_next_to_last_sigma", "sgm_noise_multiplier", "skip_early_cond", "upcast_attn"),
)
"""Options of a server that change pictures, where they are there: a part of what answers."""


class Unknown(Exception):
    """A value that the server does not have; the message says what it has."""


@dataclass(frozen=True, slots=True)
class Named:
    """A sampler, a schedule, a VAE or an upscaler.

    Attributes:
        name: as the server takes it.
        others: further names of the same thing.
        rivals: the names of other things of the list, none of which is this one, however alike they are.
    """

    name: str
    others: tuple[str, ...] = ()
    rivals: frozenset[str] = field(default=frozenset(), compare=False)

    def is_called(self, word: object) -> bool:
        """Whether this is what the server calls by a word."""
        if not isinstance(word, str) or (word in self.rivals and word != self.name):
            return False
        return plainly(word) in {plainly(one) for one in (self.name, *self.others)}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model.

    Attributes:
        title: as the server takes it.
        names: every name that it may be called by, in small letters and without the ending of a file.
        hash: the first ten digits of its SHA-256, or what the server takes for it; "" = not known.
        sha256: "" = not known.
    """

    title: str
    names: frozenset[str]
    hash: str = ""
    sha256: str = ""

    def is_called(self, word: str) -> bool:
        """Whether a word is one of its names or the beginning of its hash."""
        plain = word.strip().lower()
        hashes = [one for one in (self.hash, self.sha256) if one]
        return self.is_file(word) or (len(plain) >= 8 and any(one.startswith(plain) for one in hashes))

    def is_file(self, word: str) -> bool:
        """Whether a word is one of its names, and no file of another ending."""
        endings = {ending(word), ending(self.title)} - {""}
        return stem(word) in self.names and len(endings) < 2


@dataclass(frozen=True)
class Lists:
    """All that a server said of itself; None = it has no such list."""

    models: Sequence[Checkpoint]
    samplers: Sequence[Named]
    schedules: Sequence[Named] | None = None
    vaes: Sequence[Named] | None = None
    upscalers: Sequence[Named] | None = None
    styles: Mapping[str, tuple[str, str]] | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    extensions: Mapping[str, str] = field(default_factory=dict)
    version: str = ""

    @property
    def program(self) -> str:
        """Which program it is, as far as its options tell."""
        options = self.options
        if any(name.startswith("forge_") for name in options):
            return "Forge"
        if any(name.startswith("diffusers_") for name in options):
            return "SD.Next"
        if "CLIP_stop_at_last_layers" in options:
            return "A1111"
        return "a server that speaks their protocol"

    @property
    def loaded(self) -> Checkpoint | None:
        """The model that is loaded, as far as it is known."""
        word = self.options.get("sd_model_checkpoint")
        if isinstance(word, str):
            with contextlib.suppress(Unknown):
                return self.model(word)
        return self.models[0] if len(self.models) == 1 else None

    @property
    def acting(self) -> dict[str, object]:
        """The options that change pictures."""
        return {name: self.options[name] for name in ACTING if name in self.options}

    def model(self, word: str) -> Checkpoint:
        """The model of a title, a name or a hash. Raises Unknown."""
        exact = [one for one in self.models if one.title == word]
        found = exact or [one for one in self.models if one.is_called(word)]
        if len(found) == 1:
            return found[0]
        titles = [one.title for one in found or self.models]
        if found:
            raise Unknown(f"model: {word!r} may be several on this server: {_some(titles)}. Write a whole title")
        raise Unknown(f"model: the server has no {shortened(word, 80)!r}{among(word, _few(titles), 'It has')}")

    def sampler(self, word: str) -> tuple[Named, str]:
        """The sampler of a name, and the schedule that the name holds; "" = none. Raises Unknown."""
        found, plain = self._sampler(SAMPLERS.get(word, word)), plainly(word)
        for spacing in sorted(SPACINGS, key=len, reverse=True):  # "DPM++ 2M Karras" is two values since A1111 1.9
            first = plain.removesuffix(f"_{spacing}")
            if first == plain or self.schedules is None:
                continue
            if found is not None and not plainly(found.name).endswith(f"_{spacing}"):
                # An alias of koboldcpp holds a schedule, and the sampler is then drawn with another one.
                return found, self.schedule(spacing).name
            if found is None and (alone := self._sampler(first)):
                return alone, self.schedule(spacing).name
        if found is not None:
            return found, ""
        names = [one.name for one in self.samplers]
        raise Unknown(
            f"scheduler: the server has no sampler {shortened(word, 80)!r}{among(word, _few(names), 'It has')}"
        )

    def _sampler(self, word: str) -> Named | None:
        if found := _called("scheduler", word, self.samplers):
            return found
        meant = _meant(word)
        if meant is None or not meant[0]:
            return None
        alike = [one for one in self.samplers if _meant(one.name) == meant]
        return _apart(alike[0], self.samplers) if len(alike) == 1 else None

    def schedule(self, word: str) -> Named:
        """The schedule of a name. Raises Unknown."""
        return _named("spacing", word, self.schedules, f"{API}/schedulers")

    def vae(self, word: str) -> Named:
        """The VAE of a name; Automatic and None are words of these servers. Raises Unknown."""
        for own in ("Automatic", "None"):
            if plainly(word) == plainly(own):
                return Named(own)
        if "forge_additional_modules" in self.options:
            raise Unknown("vae: Forge takes a VAE as one of its modules, which are chosen there. Leave it out")
        if self.vaes is not None:
            exact = [one for one in self.vaes if one.name == word]
            alike = exact or [one for one in self.vaes if same_file(one.name, word)]
            if found := _only("vae", word, alike):
                return found
        return _named("vae", word, self.vaes, f"{API}/sd-vae")

    def upscaler(self, word: str) -> Named:
        """The upscaler of a name, of latents or of pixels. Raises Unknown."""
        return _named("hires_upscaler", word, self.upscalers, f"{API}/upscalers")

    def style(self, word: str) -> tuple[str, str]:
        """The prompt and the negative prompt of a style. Raises Unknown."""
        if self.styles is None:
            raise Unknown(_no_list("styles", f"{API}/prompt-styles"))
        if word not in self.styles:
            raise Unknown(f"styles: the server has no {word!r}{among(word, _few(self.styles), 'It has')}")
        return self.styles[word]


def _meant(name: str) -> tuple[str, Mapping[str, object]] | None:
    """What the field calls a sampler; stable-diffusion.cpp writes dpm++2m for DPM++ 2M."""
    return sampler_named(name) or sampler_named(name.lower().replace("dpm++", "dpm++ ").replace("  ", " "))


def stem(name: str) -> str:
    """A file's name as models are compared by it: without folder, ending and hash, in small letters.

    >>> stem("sub/Model_A.safetensors [0123abcd]"), stem("model v1.5")
    ('model_a', 'model v1.5')
    """
    return _last(name).removesuffix(ending(name))


def ending(name: str) -> str:
    """The ending of a model's file; "" where a name has none.

    >>> ending("sub/Model_A.safetensors [0123abcd]"), ending("model v1.5")
    ('.safetensors', '')
    """
    last = _last(name)
    return next((one for one in ENDINGS if last.endswith(one)), "")


def same_file(one: str, other: str) -> bool:
    """Whether two names may be of one file: one stem, and no two endings.

    >>> same_file("a.ckpt", "a.safetensors"), same_file("a.ckpt", "A"), same_file("sub/a.ckpt", "a.ckpt")
    (False, True, True)
    """
    return stem(one) == stem(other) and len({ending(one), ending(other)} - {""}) < 2


def _last(name: str) -> str:
    """A file's name without folder and hash, in small letters."""
    plain = name.strip().replace("\\", "/").lower()
    if plain.endswith("]"):
        plain = plain.rpartition("[")[0].strip()
    return PurePosixPath(plain).name


def _named(setting: str, word: str, known: Sequence[Named] | None, path: str) -> Named:
    if known is None:
        raise Unknown(_no_list(setting, path))
    if found := _called(setting, word, known):
        return found
    names = [one.name for one in known]
    raise Unknown(f"{setting}: the server has no {shortened(word, 80)!r}{among(word, _few(names), 'It has')}")


def _called(setting: str, word: str, known: Sequence[Named]) -> Named | None:
    """What a list calls so: by the very name, else by an alias as it is written, else by either plainly spelled."""
    exact = [one for one in known if one.name == word] or [one for one in known if word in one.others]
    found = _only(setting, word, exact or [one for one in known if one.is_called(word)])
    return found and _apart(found, known)


def _apart(found: Named, known: Sequence[Named]) -> Named:
    return replace(found, rivals=frozenset(one.name for one in known if one.name != found.name))


def _only(setting: str, word: str, found: Sequence[Named]) -> Named | None:
    """The one that was found; None where there is none. Raises Unknown where there are several."""
    names = list(dict.fromkeys(one.name for one in found))
    if len(names) > 1:
        raise Unknown(f"{setting}: {word!r} may be several on this server: {_some(names)}. Write a whole name")
    return found[0] if found else None


def _no_list(setting: str, path: str) -> str:
    return (
        f"{setting}: the server has no list of these ({path}), so it would not say whether it knows one. Leave it out"
    )


def _few(names: Iterable[str], most: int = 30) -> list[str]:
    return list(names)[:most]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5])
